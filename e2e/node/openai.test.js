// OpenAI's SDK for Node, and its Azure flavour, against outcrop serve --sandbox.
// OUTCROP_URL and OUTCROP_KEY say where it is; the Go test beside this folder starts it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import OpenAI, { AzureOpenAI } from 'openai';

const url = process.env.OUTCROP_URL;
const key = process.env.OUTCROP_KEY;
const model = 'claude-sonnet';

const flavours = {
  openai: (options) => new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: key, maxRetries: 0, ...options }),
  azure: (options) => new AzureOpenAI({ endpoint: url, apiVersion: '2024-10-21', apiKey: key, maxRetries: 0, ...options }),
};

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

const user = (content) => [{ role: 'user', content }];

/** A gray picture of that size. */
function png(width, height) {
  const table = Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
  });
  const crc = (data) => (data.reduce((c, b) => table[(c ^ b) & 255] ^ (c >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const rows = Buffer.alloc((width + 1) * height);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** What a stream adds up to. */
async function fold(stream) {
  const sum = { text: '', calls: [], reason: null, usage: null, chunks: 0, ids: new Set() };
  for await (const chunk of stream) {
    sum.chunks++;
    sum.ids.add(chunk.id);
    sum.usage = chunk.usage ?? sum.usage;
    for (const { delta, finish_reason } of chunk.choices) {
      sum.text += delta.content ?? '';
      sum.reason = finish_reason ?? sum.reason;
      for (const { index, id, function: f } of delta.tool_calls ?? []) {
        const call = (sum.calls[index] ??= { id: '', name: '', arguments: '' });
        call.id += id ?? '';
        call.name += f?.name ?? '';
        call.arguments += f?.arguments ?? '';
      }
    }
  }
  return sum;
}

/** What a plain reply says, in the same shape. */
function read(reply) {
  const { message, finish_reason } = reply.choices[0];
  const calls = (message.tool_calls ?? []).map((c) => ({ id: c.id, ...c.function }));
  return { text: message.content ?? '', calls, reason: finish_reason, usage: reply.usage };
}

for (const [flavour, make] of Object.entries(flavours)) {
  const client = make();
  const create = (request, options) => client.chat.completions.create({ model, ...request }, options);
  const answer = async (request) => {
    const reply = await create(request);
    return request.stream ? fold(reply) : read(reply);
  };

  describe(flavour, { concurrency: 4 }, () => {
    test('plain', async () => {
      const reply = await create({ messages: user('[[sandbox text="Good morning."]] Hello!') });
      assert.equal(reply.object, 'chat.completion');
      assert.equal(reply.model, model);
      assert.equal(reply.choices[0].message.role, 'assistant');
      assert.equal(reply.choices[0].message.content, 'Good morning.');
      assert.equal(reply.choices[0].finish_reason, 'stop');
      assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
    });

    test('a stream says what the plain reply says', async () => {
      const messages = user('Tell me about stones.');
      const plain = await answer({ messages });
      const streamed = await answer({ messages, stream: true });
      assert.match(streamed.text, /Tell me about stones\./);
      assert.equal(streamed.text, plain.text);
      assert.equal(streamed.reason, 'stop');
      // On DIAL's route, which Azure's clients use, the last chunk tells the usage unasked.
      assert.deepEqual(streamed.usage, flavour === 'azure' ? plain.usage : null);
      assert.equal(streamed.ids.size, 1);
      assert.ok(streamed.chunks > 5, 'the stream came in one piece');
      const billed = await answer({ messages, stream: true, stream_options: { include_usage: true } });
      assert.deepEqual(billed.usage, plain.usage);
    });

    test('system, history and text parts', async () => {
      const { text } = await answer({
        messages: [
          { role: 'developer', content: 'Be short.' },
          { role: 'user', content: 'My name is Ann.' },
          { role: 'assistant', content: 'Hello Ann.' },
          { role: 'user', content: [{ type: 'text', text: 'What is my name?' }] },
        ],
      });
      assert.match(text, /What is my name\?/);
      assert.match(text, /3 messages and a system prompt/);
    });

    for (const stream of [false, true]) {
      const how = stream ? 'streamed' : 'plain';

      test(`image, ${how}`, async () => {
        const data = `data:image/png;base64,${png(8, 8).toString('base64')}`;
        const parts = [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: data } },
        ];
        assert.match((await answer({ messages: user(parts), stream })).text, /1 image/);
      });

      for (const name of ['claude-sonnet', 'nova-lite', 'gpt-oss']) {
        for (const n of [1, 2]) {
          test(`${n} tool calls of ${name}, ${how}`, async () => {
            const messages = user(`What is the weather in Paris? [[sandbox tools=${n}]]`);
            const { calls, reason } = await answer({ model: name, messages, tools: [weather], stream });
            assert.equal(reason, 'tool_calls');
            assert.deepEqual(calls.map((c) => c.name), Array(n).fill('get_weather'));
            assert.equal(new Set(calls.map((c) => c.id)).size, n);
            for (const call of calls) assert.equal(typeof JSON.parse(call.arguments).city, 'string');
          });
        }
      }

      test(`tool loop, ${how}`, async () => {
        const question = 'What is the weather in Paris?';
        const first = await create({ messages: user(`${question} [[sandbox tools=2]]`), tools: [weather] });
        const { message } = first.choices[0];
        // The history is told without the directive, which would ask for calls again.
        const messages = [...user(question), message];
        for (const [i, call] of message.tool_calls.entries()) {
          messages.push({ role: 'tool', tool_call_id: call.id, content: `${18 + i} degrees` });
        }
        const { text, calls, reason } = await answer({ messages, tools: [weather], stream });
        assert.equal(reason, 'stop');
        assert.deepEqual(calls, []);
        assert.match(text, /18 degrees/);
        assert.match(text, /19 degrees/);
      });

      test(`a bad request names its field, ${how}`, async () => {
        await assert.rejects(create({ messages: [{ role: 'wizard', content: 'hi' }], stream }), (e) => {
          assert.ok(e instanceof OpenAI.BadRequestError);
          assert.equal(e.param, 'messages[0].role');
          return true;
        });
      });
    }

    test('tool choice', async () => {
      const named = { type: 'function', function: { name: 'get_weather' } };
      for (const [tool_choice, want] of [['auto', 0], ['none', 0], ['required', 1], [named, 1]]) {
        const { calls } = await answer({ messages: user('Hello!'), tools: [weather], tool_choice });
        assert.equal(calls.length, want, JSON.stringify(tool_choice));
      }
    });

    test('an unknown model', async () => {
      await assert.rejects(create({ model: 'no-such-model', messages: user('hi') }), (e) => {
        assert.ok(e instanceof OpenAI.NotFoundError);
        assert.equal(e.code, 'model_not_found');
        assert.match(e.message, /no-such-model/);
        assert.ok(e.requestID);
        return true;
      });
    });

    test('a wrong key', async () => {
      const request = { model, messages: user('hi') };
      await assert.rejects(make({ apiKey: 'wrong' }).chat.completions.create(request), OpenAI.AuthenticationError);
    });

    test('throttled, then served by a retry', async () => {
      const messages = user(`[[sandbox throttle=1]] node ${flavour}`);
      await assert.rejects(create({ messages }), (e) => {
        assert.ok(e instanceof OpenAI.RateLimitError);
        assert.ok(Number(e.headers.get('retry-after')) > 0);
        return true;
      });
      assert.ok((await answer({ messages })).text);
    });

    for (const fault of ['cut=3', 'cut-inside=3', 'end=3', 'badcrc=3', 'exception=modelStreamErrorException after=3']) {
      test(`a stream broken by ${fault} is an error`, async () => {
        const messages = user(`one two three four five [[sandbox ${fault}]]`);
        const seen = [];
        await assert.rejects(async () => {
          for await (const chunk of await create({ messages, stream: true })) seen.push(chunk);
        }, OpenAI.APIError);
        assert.ok(seen.some((c) => c.choices[0]?.delta.content), 'nothing came before the fault');
        assert.ok(seen.every((c) => !c.choices[0]?.finish_reason), 'a finish reason came although the reply is broken');
        await assert.rejects(create({ messages }), (e) => e.status === 502 || e.status === 503);
      });
    }

    test('leaving a stream', async () => {
      const stream = await create({ messages: user('[[sandbox tokens=10000 drip=10ms]]'), stream: true });
      for await (const chunk of stream) {
        if (chunk.choices[0].delta.content) break;
      }
      assert.ok((await answer({ messages: user('Still there?') })).text);
    });
  });
}

test('models', async () => {
  const client = flavours.openai();
  const names = (await client.models.list()).data.map((m) => m.id);
  assert.deepEqual(names.sort(), ['claude-sonnet', 'gpt-oss', 'llama', 'nova-lite', 'rerank', 'stable-image', 'titan-embed']);
  assert.equal((await client.models.retrieve('llama')).id, 'llama');
  await assert.rejects(client.models.retrieve('no-such-model'), OpenAI.NotFoundError);
});

test("the SDK's own accumulator takes the stream", async () => {
  const messages = user('What is the weather in Paris? [[sandbox tools=2]]');
  const stream = flavours.openai().chat.completions.stream({ model, messages, tools: [weather] });
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.tool_calls.length, 2);
});
