// OpenAI's SDK for Node and its Azure flavour make vectors and pictures with outcrop serve and outcrop sandbox.
// OUTCROP_URL and OUTCROP_KEY say where it is; the Go test beside this folder starts it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI, { AzureOpenAI, toFile } from 'openai';

const url = process.env.OUTCROP_URL;
const options = { apiKey: process.env.OUTCROP_KEY, maxRetries: 0 };
const flavours = {
  openai: new OpenAI({ baseURL: `${url}/openai/v1`, ...options }),
  azure: new AzureOpenAI({ endpoint: url, apiVersion: '2025-04-01-preview', ...options }),
};

const failure = (promise) => promise.then((reply) => assert.fail(`no error but ${JSON.stringify(reply)}`), (error) => error);
const near = (a, b) => a.length === b.length && a.every((x, i) => Math.abs(x - b[i]) < 1e-6);

/** A picture of the sandbox's, as a PNG. */
async function picture(client) {
  const reply = await client.images.generate({ model: 'core', prompt: 'A grey stone' });
  return Buffer.from(reply.data[0].b64_json, 'base64');
}

for (const [flavour, client] of Object.entries(flavours)) {
  describe(flavour, () => {
    for (const model of ['titan', 'cohere', 'nova']) {
      test(`${model}: base64, which the SDK asks for, and float are the same numbers`, async () => {
        const unsaid = await client.embeddings.create({ model, input: 'A grey stone' });
        const floats = await client.embeddings.create({ model, input: 'A grey stone', encoding_format: 'float' });
        assert.ok(unsaid.data[0].embedding.length >= 1024);
        assert.ok(near(unsaid.data[0].embedding, floats.data[0].embedding));
        assert.ok(unsaid.usage.prompt_tokens > 0);
      });

      test(`${model}: many texts keep their order`, async () => {
        const input = Array.from({ length: 130 }, (_, n) => `stone number ${n}`);
        const { data } = await client.embeddings.create({ model, input });
        assert.deepEqual(data.map(({ index }) => index), input.map((_, n) => n));
        for (const n of [0, 96, 129]) {
          const { data: alone } = await client.embeddings.create({ model, input: input[n] });
          assert.ok(near(alone[0].embedding, data[n].embedding), `number ${n}`);
        }
      });
    }

    test('dimensions', async () => {
      const { data } = await client.embeddings.create({ model: 'titan', input: ['a', 'b'], dimensions: 512 });
      assert.deepEqual(data.map(({ embedding }) => embedding.length), [512, 512]);
      const error = await failure(client.embeddings.create({ model: 'titan', input: 'a', dimensions: 77 }));
      assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
      assert.equal(error.param, 'dimensions');
    });

    test('tokens are refused', async () => {
      const error = await failure(client.embeddings.create({ model: 'titan', input: [1, 2, 3] }));
      assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
      assert.match(error.message, /token/);
    });

    test('an unknown model', async () => {
      const error = await failure(client.embeddings.create({ model: 'no-such-model', input: 'x' }));
      assert.ok(error instanceof OpenAI.NotFoundError, `${error}`);
      assert.equal(error.code, 'model_not_found');
    });

    test('pictures', async () => {
      const reply = await client.images.generate({ model: 'core', prompt: 'A red fox', n: 2 });
      assert.equal(reply.data.length, 2);
      for (const { b64_json } of reply.data) assert.equal(Buffer.from(b64_json, 'base64').toString('latin1', 1, 4), 'PNG');
      const error = await failure(client.images.generate({ model: 'core', prompt: 'A red fox [[sandbox filter=output]]' }));
      assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
      assert.equal(error.code, 'content_filter');
    });

    test('an edit with a mask', async () => {
      const bytes = await picture(client);
      const [image, mask] = await Promise.all(['stone.png', 'mask.png'].map((name) => toFile(bytes, name, { type: 'image/png' })));
      // The Azure flavour finds no model in a form: it has to be told where the form goes.
      const editor =
        flavour === 'azure' ? new AzureOpenAI({ endpoint: url, apiVersion: '2025-04-01-preview', deployment: 'inpaint', ...options }) : client;
      const reply = await editor.images.edit({ model: 'inpaint', image, mask, prompt: 'A wolf' });
      assert.equal(Buffer.from(reply.data[0].b64_json, 'base64').toString('latin1', 1, 4), 'PNG');
    });
  });
}
