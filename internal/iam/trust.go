package iam

import "strings"

// IRSATrust is the trust policy of a role for a service account of an EKS cluster: providerARN is that of the
// cluster's OIDC provider in IAM, issuer its URL.
// https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
func IRSATrust(providerARN, issuer, namespace, serviceAccount string) Document {
	issuer = strings.TrimSuffix(strings.TrimPrefix(issuer, "https://"), "/")
	return trust(Statement{
		Sid: "ServiceAccount", Principal: &Principal{Federated: Strings{providerARN}}, Action: Strings{"sts:AssumeRoleWithWebIdentity"},
		Condition: Condition{"StringEquals": {
			issuer + ":aud": {"sts.amazonaws.com"},
			issuer + ":sub": {"system:serviceaccount:" + namespace + ":" + serviceAccount},
		}},
	})
}

// PodIdentity is who may have a role through EKS Pod Identity. Account and Cluster (the cluster's ARN) are left
// out of the policy where they are empty.
type PodIdentity struct{ Namespace, ServiceAccount, Account, Cluster string }

// PodIdentityTrust is the trust policy of a role for EKS Pod Identity.
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
func PodIdentityTrust(p PodIdentity) Document {
	s := Statement{
		Sid: "PodIdentity", Principal: &Principal{Service: Strings{"pods.eks.amazonaws.com"}}, Action: Strings{"sts:AssumeRole", "sts:TagSession"},
		Condition: Condition{"StringEquals": {
			"aws:RequestTag/kubernetes-namespace":       {p.Namespace},
			"aws:RequestTag/kubernetes-service-account": {p.ServiceAccount},
		}},
	}
	if p.Account != "" {
		s.Condition["StringEquals"]["aws:SourceAccount"] = Strings{p.Account}
	}
	if p.Cluster != "" {
		s.Condition["StringEquals"]["aws:RequestTag/eks-cluster-arn"] = Strings{p.Cluster}
	}
	return trust(s)
}

// RoleTrust is the trust policy of a role that another role or user assumes; externalID "" asks for none.
func RoleTrust(callerARN, externalID string) Document {
	s := Statement{Sid: "Caller", Principal: &Principal{AWS: Strings{callerARN}}, Action: Strings{"sts:AssumeRole"}}
	tags := s
	tags.Sid, tags.Action = "CallerTags", Strings{"sts:TagSession"} // apart, as in AWS's examples: the external id is a key of AssumeRole
	if externalID != "" {
		s.Condition = Condition{"StringEquals": {"sts:ExternalId": {externalID}}}
		return trust(s, tags)
	}
	s.Action = Strings{"sts:AssumeRole", "sts:TagSession"}
	return trust(s)
}

func trust(all ...Statement) Document {
	for i := range all {
		all[i].Effect = Allow
	}
	return Document{Version: PolicyVersion, Statement: all}
}
