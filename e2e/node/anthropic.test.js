// Anthropic's SDK for Node against /anthropic of outcrop serve or outcrop adapter.
// OUTCROP_URL and OUTCROP_KEY say where it is, OUTCROP_HEADERS what every request says besides, OUTCROP_MODELS
// how the models are called there; the Go test beside this folder starts it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';

const models = JSON.parse(process.env.OUTCROP_MODELS);
const native = ['claude', 'adaptive'];
const connect = (options) =>
  new Anthropic({
    baseURL: `${process.env.OUTCROP_URL}/anthropic`,
    apiKey: process.env.OUTCROP_KEY,
    defaultHeaders: JSON.parse(process.env.OUTCROP_HEADERS ?? '{}'),
    maxRetries: 0,
    ...options,
  });
const client = connect();
const once = Math.random().toString(36).slice(2); // what a server keeps of one run does not help the next

// What each model is told so that it thinks; Llama does not.
const thinking = {
  claude: { thinking: { type: 'enabled', budget_tokens: 1024 } },
  adaptive: { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'medium' } },
  nova: { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } },
  'gpt-oss': { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } },
};

const survey = {
  name: 'survey',
  description: 'Take a sample at a place.',
  input_schema: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
};

// A gray pixel, and a document of one empty page.
const picture = {
  type: 'image',
  source: {
    type: 'base64',
    media_type: 'image/png',
    data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==',
  },
};
const paper = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
trailer<</Root 1 0 R>>
%%EOF
`;
const document = {
  type: 'document',
  title: 'map',
  source: { type: 'base64', media_type: 'application/pdf', data: Buffer.from(paper).toString('base64') },
};

const request = (model, content, more) => ({
  model: models[model] ?? model,
  max_tokens: 4000,
  messages: [{ role: 'user', content }],
  ...more,
});

/** The reply, whole or as the SDK puts it together from the events. */
const ask = (stream, body) => (stream ? client.messages.stream(body).finalMessage() : client.messages.create(body));

const textOf = ({ content }) => content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');

/** The error that a promise must be rejected with. */
const failure = (promise) => promise.then((reply) => assert.fail(`no error but ${JSON.stringify(reply)}`), (error) => error);

for (const model of Object.keys(models)) {
  describe(model, () => {
    test('a stream equals a plain reply', async () => {
      const body = request(model, 'Tell me about stones.', { system: 'Be brief.' });
      const plain = await client.messages.create(body);
      const pieces = [];
      const whole = await client.messages.stream(body).on('text', (piece) => pieces.push(piece)).finalMessage();
      assert.match(textOf(plain), /Tell me about stones\./);
      assert.equal(pieces.join(''), textOf(plain));
      assert.ok(pieces.length > 3, 'the stream came in one piece');
      assert.deepEqual(
        whole.content.map(({ type }) => type),
        plain.content.map(({ type }) => type),
      );
      assert.equal(whole.stop_reason, 'end_turn');
      assert.equal(whole.usage.input_tokens, plain.usage.input_tokens);
      assert.equal(whole.usage.output_tokens, plain.usage.output_tokens);
      assert.ok(plain._request_id);
    });

    test('the events come in their order', async () => {
      const kinds = [];
      for await (const event of await client.messages.create({ ...request(model, 'Hello!'), stream: true })) kinds.push(event.type);
      assert.equal(kinds[0], 'message_start');
      assert.deepEqual(kinds.slice(-2), ['message_delta', 'message_stop']);
      assert.equal(
        kinds.filter((kind) => kind === 'content_block_start').length,
        kinds.filter((kind) => kind === 'content_block_stop').length,
      );
    });

    for (const stream of [true, false]) {
      test(`a loop of calls with thoughts, ${stream ? 'streamed' : 'whole'}`, async () => {
        const body = request(model, 'Survey the stones. [[sandbox loop=3]]', { tools: [survey], ...thinking[model] });
        let reply;
        for (let turn = 0; turn < 4; turn++) {
          reply = await ask(stream, body);
          if (turn === 3) break;
          const calls = reply.content.filter(({ type }) => type === 'tool_use');
          const thought = reply.content.find(({ type }) => type === 'thinking');
          assert.equal(reply.stop_reason, 'tool_use');
          assert.equal(calls.length, 1);
          assert.equal(typeof calls[0].input.place, 'string');
          if (thinking[model]) assert.ok(thought?.thinking, 'no thoughts');
          if (native.includes(model)) assert.ok(thought.signature, 'no signature');
          body.messages.push({ role: 'assistant', content: reply.content });
          body.messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: calls[0].id, content: `sample ${turn} is granite` }] });
        }
        assert.equal(reply.stop_reason, 'end_turn');
        for (let turn = 0; turn < 3; turn++) assert.match(textOf(reply), new RegExp(`sample ${turn} is granite`));
      });

      test(`throttled, ${stream ? 'streamed' : 'whole'}`, async () => {
        const error = await failure(ask(stream, request(model, `Hello ${model} ${stream} ${once}! [[sandbox throttle=1]]`)));
        assert.ok(error instanceof Anthropic.RateLimitError, `${error}`);
        assert.equal(error.error.error.type, 'rate_limit_error');
        assert.ok(Number(error.headers.get('retry-after')) > 0);
      });

      test(`a bad request, ${stream ? 'streamed' : 'whole'}`, async () => {
        const body = request(model, 'hi');
        body.messages.push({ role: 'wizard', content: 'hi' });
        const error = await failure(ask(stream, body));
        assert.ok(error instanceof Anthropic.BadRequestError, `${error}`);
        assert.match(error.message, /messages(\.1|\[1\])\.role/);
      });
    }

    for (const fault of ['cut=5', 'cut-inside=5', 'end=5', 'badcrc=5', 'exception=modelStreamErrorException after=5']) {
      test(`a broken stream never ends like a whole one: ${fault}`, async () => {
        const body = request(model, `one two three four five six seven eight [[sandbox ${fault}]]`);
        const kinds = [];
        const reading = (async () => {
          for await (const event of await client.messages.create({ ...body, stream: true })) kinds.push(event.type);
        })();
        await assert.rejects(reading);
        assert.equal(kinds[0], 'message_start', 'nothing came before the fault');
        assert.ok(!kinds.includes('message_delta') && !kinds.includes('message_stop'), `${kinds}`);
        await assert.rejects(client.messages.stream(body).finalMessage());
      });
    }

    test('tokens are counted', async () => {
      const count = async (text) => {
        const { max_tokens, ...body } = request(model, text, { tools: [survey] });
        return (await client.messages.countTokens(body)).input_tokens;
      };
      const few = await count('Hello!');
      assert.ok(few > 0 && (await count('Hello! '.repeat(100))) > few);
    });

    if (['claude', 'adaptive', 'nova'].includes(model)) {
      test('a picture and a document', async () => {
        const reply = await ask(true, request(model, [{ type: 'text', text: 'What are these?' }, picture, document]));
        assert.match(textOf(reply), /1 image/);
        assert.match(textOf(reply), /1 document/);
      });

      test('the prompt is cached', async () => {
        const system = [{ type: 'text', text: `Be brief, ${model} ${once}. `.repeat(500), cache_control: { type: 'ephemeral' } }];
        const body = request(model, 'Hello!', { system });
        const first = (await ask(false, body)).usage;
        const second = (await ask(true, body)).usage;
        assert.ok(first.cache_creation_input_tokens > 100);
        assert.equal(second.cache_read_input_tokens, first.cache_creation_input_tokens);
      });
    }
  });
}

test('an unknown model', async () => {
  const error = await failure(ask(true, request('no-such-model', 'hi')));
  assert.ok(error instanceof Anthropic.NotFoundError, `${error}`);
  assert.equal(error.error.error.type, 'not_found_error');
  assert.ok(error.requestID);
});

test('leaving a stream', async () => {
  const stream = client.messages.stream(request('claude', '[[sandbox tokens=10000 drip=10ms]]'));
  for await (const event of stream) if (event.type === 'content_block_delta') break;
  assert.ok(textOf(await client.messages.create(request('claude', 'Still there?'))));
});

for (const model of Object.keys(models)) {
  // The runner asks the server to hold the conversation, and sends it whole when that is refused in the right words.
  test(`the SDK's own runner of tools, ${model}`, async () => {
    const places = [];
    const runner = client.beta.messages.toolRunner({
      ...request(model, 'Survey the stones. [[sandbox loop=3]]', thinking[model]),
      tools: [{ ...survey, run: ({ place }) => `sample ${places.push(place)} is granite`, parse: (input) => input }],
    });
    const last = await runner;
    assert.equal(places.length, 3);
    for (let turn = 1; turn <= 3; turn++) assert.match(textOf(last), new RegExp(`sample ${turn} is granite`));
  });
}
