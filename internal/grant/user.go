package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"outcrop/internal/onboard"
	"outcrop/internal/secret"
)

// UserTo is an IAM user whose access key a deployment has.
type UserTo struct {
	Name string
	// Key is where an access key goes; nil makes none.
	Key *Delivery
	// Given is a key that exists; nil makes one.
	Given  *Key
	Secret string // name of the Kubernetes Secret
}

// mostKeys is how many access keys a user may have.
const mostKeys = 2

// User plans a user.
func User(ctx context.Context, in Input, to UserTo) (*Plan, error) {
	if err := checkName("user", to.Name, 64); err != nil {
		return nil, err
	}
	p := newPlanner(in, "user "+to.Name)
	h := holder{kind: "user", name: to.Name}
	arn := p.arn("iam", "user/"+to.Name)
	got, err := p.iam.GetUser(ctx, &awsiam.GetUserInput{UserName: &to.Name})
	switch {
	case absent(err):
		h.fresh = true
		p.step(&Step{
			Do: Create, What: "IAM user " + to.Name, Why: "There is none of that name. It gets no password: it cannot log in to the console.",
			Command: "aws iam create-user --user-name " + to.Name, action: "iam:CreateUser",
			run: func(ctx context.Context) error {
				_, err := p.iam.CreateUser(ctx, &awsiam.CreateUserInput{UserName: &to.Name})
				return err
			},
		})
	case err != nil:
		return nil, onboard.Explain(err, "reading the user "+to.Name, "iam:GetUser")
	default:
		arn = *got.User.Arn
		p.exists("IAM user "+to.Name, "")
	}
	if err := p.policies(ctx, h, in.Policies); err != nil {
		return nil, err
	}
	switch {
	case to.Given != nil && to.Key != nil:
		p.given(h, *to.Key, *to.Given)
		p.plan.Texts = append(p.plan.Texts, to.Key.Next()...)
	case to.Key != nil:
		if err := p.key(ctx, h, *to.Key); err != nil {
			return nil, err
		}
		p.plan.Texts = append(p.plan.Texts, to.Key.Next()...)
	default:
		p.plan.Notes = append(p.plan.Notes, "No access key is made. --create-access-key --secret-out FILE with --apply makes one and writes it into a Secret's manifest; --csv FILE takes one from the console.")
	}
	if err := p.assumed(ctx, arn); err != nil {
		return nil, err
	}
	p.plan.Texts = append(p.plan.Texts, KeyValues(to.Secret, in.Account.Config.Region)...)
	return p.plan, nil
}

// given plans that a key which exists is written down: last, as one that is made is, so that there is no file of a
// plan that is blocked or was not applied.
func (p *planner) given(h holder, d Delivery, key Key) {
	p.step(&Step{
		Do: Write, What: "access key of user " + h.name + " to " + d.where(), Why: "It is the one that was given, and is printed nowhere else. AWS is not called.",
		run: func(context.Context) error { return d.Deliver(key.Have) },
	})
}

// key plans an access key.
func (p *planner) key(ctx context.Context, h holder, d Delivery) error {
	n := 0
	if !h.fresh {
		keys, err := p.iam.ListAccessKeys(ctx, &awsiam.ListAccessKeysInput{UserName: &h.name})
		if err != nil {
			return onboard.Explain(err, "listing the access keys of "+h.name, "iam:ListAccessKeys")
		}
		n = len(keys.AccessKeyMetadata)
		if n >= mostKeys {
			id := *keys.AccessKeyMetadata[0].AccessKeyId
			p.step(&Step{Do: Blocked, What: "access key of user " + h.name,
				Why: "It has two keys, which is the most. See when each was last used (aws iam get-access-key-last-used --access-key-id " + id +
					"), delete the one that nobody uses (aws iam delete-access-key --user-name " + h.name + " --access-key-id ID), and type the command again."})
			return nil
		}
	}
	why := "The secret is shown by AWS once: it goes into " + d.where() + " and is printed nowhere else."
	if n == 1 {
		why += " It is the second key. To rotate: deploy it, see that the old one is used no more (aws iam get-access-key-last-used), set that to Inactive (aws iam update-access-key), and delete it after a day."
	}
	p.step(&Step{
		Do: Create, What: "access key of user " + h.name, Why: why, action: "iam:CreateAccessKey",
		Command: "aws iam create-access-key --user-name " + h.name + " --output text --query 'AccessKey.[AccessKeyId,SecretAccessKey]' | " + d.piped(),
		run: func(ctx context.Context) error {
			return d.Deliver(func() (Key, func() error, error) { return p.makeKey(ctx, h.name) })
		},
	})
	return nil
}

// makingKey is how long AWS is waited for.
const makingKey = time.Minute

// makeKey makes a key, and gives how to undo that. Once begun it is neither interrupted nor tried again: AWS may
// have made a key whose secret only the lost answer had.
func (p *planner) makeKey(ctx context.Context, user string) (Key, func() error, error) {
	if err := ctx.Err(); err != nil {
		return Key{}, nil, err
	}
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), makingKey)
	defer cancel()
	made, err := p.iam.CreateAccessKey(whole, &awsiam.CreateAccessKeyInput{UserName: &user}, func(o *awsiam.Options) { o.Retryer = aws.NopRetryer{} })
	if _, refused := errors.AsType[smithy.APIError](err); err != nil && !refused {
		return Key{}, nil, &onboard.Problem{
			Kind: onboard.ProblemSilent, Text: "making an access key of " + user + ": whether AWS made it is not known: " + err.Error(),
			Remedy: "see whether there is a key that was made just now (aws iam list-access-keys --user-name " + user + "), delete it, whose secret nobody has (aws iam delete-access-key --user-name " + user + " --access-key-id ID), and type the command again",
		}
	}
	if err != nil {
		return Key{}, nil, err
	}
	key := Key{ID: *made.AccessKey.AccessKeyId, Secret: secret.New(*made.AccessKey.SecretAccessKey), User: user}
	return key, func() error {
		_, err := p.iam.DeleteAccessKey(context.WithoutCancel(ctx), &awsiam.DeleteAccessKeyInput{UserName: &user, AccessKeyId: &key.ID})
		return err
	}, nil
}

// Deliver makes a key and writes it down. The place is opened first, and a key that could not be written down is
// deleted again: nobody would know its secret. undo is nil for a key that was there before.
func (d Delivery) Deliver(makeKey func() (key Key, undo func() error, err error)) (err error) {
	out, remove, err := d.open()
	if err != nil {
		return err
	}
	key, undo, err := makeKey()
	if err != nil {
		return errors.Join(err, out.Close(), remove())
	}
	if _, err = out.Write(d.form(key)); err != nil {
		err = errors.Join(err, out.Close())
	} else {
		err = out.Close()
	}
	if err == nil {
		return nil
	}
	if undo == nil {
		return errors.Join(fmt.Errorf("the key could not be written to %s: %w", d.where(), err), remove())
	}
	if undone := undo(); undone != nil {
		return fmt.Errorf("the key %s could not be written to %s (%w), and not be deleted: aws iam delete-access-key --user-name %s --access-key-id %s", key.ID, d.where(), err, key.User, key.ID)
	}
	return errors.Join(fmt.Errorf("the key could not be written to %s and was deleted again: %w", d.where(), err), remove())
}
