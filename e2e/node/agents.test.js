// An agent by a stranger, Vercel's AI SDK, against outcrop serve --config in front of outcrop sandbox. It reads
// a picture and a document, calls a tool ten times, one call a turn, and answers with all results, as
// [[sandbox loop=10]] makes the model do. Claude signs what it thinks before each call, and Bedrock refuses a
// conversation whose thoughts are missing or not its own: the SDK sends their text back without a signature,
// and the gateway puts the signed original in its place.
// OUTCROP_URL and OUTCROP_KEY say where it is; the Go test beside this folder starts it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const turns = 10;

// The models: how hard they think, whether they take pictures and documents, and what the gateway reports:
// what Nova, gpt-oss and Kimi have thought they do not take back, and Nova's schemas know fewer words.
const thought = 'x-outcrop-ignored: messages[].reasoning_content';
const models = {
  claude: { effort: 'low', reads: true, reports: [] },
  'claude-adaptive': { effort: 'medium', reads: true, reports: [] },
  nova: { effort: 'low', reads: true, reports: ['x-outcrop-changed: tools[].function.parameters', thought] },
  'gpt-oss': { effort: 'low', reads: false, reports: [thought] },
  llama: { effort: undefined, reads: false, reports: [] },
  gpt: { effort: 'low', reads: false, reports: [] },
  kimi: { effort: 'low', reads: false, reports: [thought] },
};

// A gray pixel, and a document of one empty page.
const picture =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==';
const paper = Buffer.from(`%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
trailer<</Root 1 0 R>>
%%EOF
`);

/** A provider, and what passes between it and the gateway. */
function connect() {
  const wire = { requests: [], reported: new Set() };
  const provider = createOpenAICompatible({
    name: 'outcrop',
    baseURL: `${process.env.OUTCROP_URL}/openai/v1`,
    apiKey: process.env.OUTCROP_KEY,
    includeUsage: true,
    fetch: async (url, options) => {
      wire.requests.push(JSON.parse(options.body));
      const response = await fetch(url, options);
      for (const name of ['x-outcrop-ignored', 'x-outcrop-changed']) {
        for (const path of response.headers.get(name)?.split(', ') ?? []) wire.reported.add(`${name}: ${path.replaceAll(/\d+/g, '')}`);
      }
      return response;
    },
  });
  return { provider, wire };
}

async function run(model, stream) {
  const { effort, reads } = models[model];
  const { provider, wire } = connect();
  const places = [];
  const content = [{ type: 'text', text: `Survey the stones of Paris. [[sandbox loop=${turns}]]` }];
  if (reads) {
    content.push({ type: 'image', image: `data:image/png;base64,${picture}` });
    content.push({ type: 'file', data: paper, mediaType: 'application/pdf', filename: 'map of stones.pdf' });
  }
  const request = {
    model: provider(model),
    system: 'You survey stones.',
    messages: [{ role: 'user', content }],
    tools: {
      survey: tool({
        description: 'Take a sample at a place.',
        inputSchema: z.object({ place: z.string() }),
        execute: ({ place }) => `sample ${places.push(place)} is granite`,
      }),
    },
    stopWhen: stepCountIs(turns + 2),
    maxRetries: 0,
    maxOutputTokens: 4000,
    providerOptions: { outcrop: effort ? { reasoningEffort: effort } : {} },
  };
  let result;
  if (stream) {
    const failures = [];
    result = streamText({ ...request, onError: ({ error }) => failures.push(error) });
    await result.consumeStream();
    assert.deepEqual(failures, []);
  } else {
    result = await generateText(request);
  }
  const seen = { requests: [...wire.requests], reported: [...wire.reported].sort() };
  const more = await generateText({
    ...request,
    messages: [...request.messages, ...(await result.response).messages, { role: 'user', content: 'What have you read?' }],
  });
  assert.match(more.text, /What have you read\?/);
  assert.equal(/1 image/.test(more.text) && /1 document/.test(more.text), reads, more.text);
  return { seen, places, effort, steps: await result.steps, text: await result.text, total: await result.totalUsage, finish: await result.finishReason };
}

for (const model of Object.keys(models)) {
  describe(model, () => {
    for (const stream of [true, false]) {
      test(stream ? 'streams' : 'answers whole', async () => {
        const { seen, places, effort, steps, text, total, finish } = await run(model, stream);
        assert.equal(finish, 'stop');
        assert.equal(places.length, turns);
        assert.ok(places.every((place) => typeof place === 'string' && place !== ''), `${places}`);
        for (let n = 1; n <= turns; n++) assert.match(text, new RegExp(`sample ${n} is granite`));

        assert.equal(steps.length, turns + 1);
        for (const step of steps.slice(0, turns)) {
          assert.equal(step.toolCalls.length, 1);
          assert.ok(step.usage.inputTokens > 0 && step.usage.outputTokens > 0);
          if (effort) assert.ok(step.reasoningText, 'no thoughts arrived');
        }
        const sum = (name) => steps.reduce((n, { usage }) => n + usage[name], 0);
        assert.equal(total.inputTokens, sum('inputTokens'));
        assert.equal(total.outputTokens, sum('outputTokens'));

        const last = seen.requests.at(-1);
        assert.equal(seen.requests.length, turns + 1);
        assert.equal(last.stream ?? false, stream);
        assert.equal(last.messages.filter(({ role }) => role === 'tool').length, turns);
        assert.doesNotMatch(JSON.stringify(last), /signature/, 'the client sends signatures back by itself: the test proves nothing');
        assert.deepEqual(seen.reported, models[model].reports);
      });
    }
  });
}
