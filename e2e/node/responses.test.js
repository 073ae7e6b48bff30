// OpenAI's Responses API with OpenAI's SDK for Node against outcrop serve --sandbox.
// OUTCROP_URL and OUTCROP_KEY say where it is; the Go test beside this folder starts it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.env.OUTCROP_URL}/openai/v1`, apiKey: process.env.OUTCROP_KEY, maxRetries: 0 });
const model = 'claude-sonnet';
const weather = {
  type: 'function',
  name: 'get_weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  strict: true,
};

test('a plain response, and the same as a stream', async () => {
  const plain = await client.responses.create({ model, input: 'Tell me about stones.' });
  assert.equal(plain.status, 'completed');
  assert.match(plain.output_text, /Tell me about stones\./);
  let text = '';
  let last;
  const stream = await client.responses.create({ model, input: 'Tell me about stones.', stream: true });
  for await (const event of stream) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    last = event;
  }
  assert.equal(last.type, 'response.completed');
  assert.equal(text, plain.output_text);
  assert.equal(last.response.usage.output_tokens, plain.usage.output_tokens);
});

test("the SDK's own stream helper folds the events", async () => {
  const stream = client.responses.stream({ model, input: 'What is the weather in Paris?', tools: [weather] });
  const final = await stream.finalResponse();
  const call = final.output.find((item) => item.type === 'function_call');
  assert.equal(call.name, 'get_weather');
  const answered = await client.responses.create({
    model,
    tools: [weather],
    input: [{ role: 'user', content: 'What is the weather in Paris?' }, ...final.output, { type: 'function_call_output', call_id: call.call_id, output: '18 degrees' }],
  });
  assert.match(answered.output_text, /18 degrees/);
});

test('a response in the background is polled, and then gone', async () => {
  let job = await client.responses.create({ model, input: 'Tell me about stones.', background: true });
  for (let i = 0; i < 200 && ['queued', 'in_progress'].includes(job.status); i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    job = await client.responses.retrieve(job.id);
  }
  assert.equal(job.status, 'completed');
  await client.responses.delete(job.id);
  await assert.rejects(client.responses.retrieve(job.id), OpenAI.NotFoundError);
});

test('what breaks off is an error', async () => {
  await assert.rejects(async () => {
    const stream = await client.responses.create({ model, input: '[[sandbox cut=3]]', stream: true });
    for await (const event of stream) if (event.type === 'response.failed') throw new Error('failed');
  });
  await assert.rejects(client.responses.create({ model, input: '[[sandbox throttle=9]]', stream: true }), OpenAI.RateLimitError);
});
