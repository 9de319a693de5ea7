/**
 * Plays some hours of the guide's service: visitors who ask, a digest on the hour, and a Prometheus that scrapes. Run with
 * `world.ts` loaded before it, from the folder of the service: `play.ts UNTIL PAGES`. Prints what the service says, and
 * appends each page that Prometheus read to the file PAGES.
 */
import { appendFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { metricsHandler } from 'plimsoll';
import { seededRandom } from '../../testing/seeded-random.ts';
import { SCRAPE_SECONDS, type Page } from './scraping.ts';

interface Service {
  readonly chat: (question: string) => Promise<unknown>;
}

interface Digest {
  readonly digest: () => Promise<string>;
}

const VISITOR_SECONDS = 20;
const HOUR_MS = 3_600_000;

const QUESTIONS = [
  'When is high water?',
  'May a boat of two metres draught enter the old basin at noon?',
  'Which berth is free for a yacht of twelve metres from Friday to Sunday?',
  'How strong is the wind outside, and does the ferry sail?',
];

const load = async <Module>(file: string): Promise<Module> =>
  (await import(pathToFileURL(resolve(file)).href)) as Module;
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const say = (text: string): void => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);

async function visitors({ chat }: Service, untilMs: number): Promise<void> {
  const random = seededRandom(7);
  let lost = 0;
  for (let number = 0; Date.now() < untilMs; number += 1) {
    // Nobody waits for the visitor before.
    void chat(QUESTIONS[number % QUESTIONS.length] ?? '').catch((error: unknown) => {
      lost += 1;
      if (lost === 1) say(`chat: ${String(error)}`);
    });
    await sleep(2 * VISITOR_SECONDS * 1_000 * random());
  }
  if (lost > 0) say(`chat: ${lost} questions were not answered`);
}

async function digests({ digest }: Digest, untilMs: number): Promise<void> {
  for (;;) {
    const nextMs = (Math.floor(Date.now() / HOUR_MS) + 1) * HOUR_MS;
    if (nextMs >= untilMs) return;
    await sleep(nextMs - Date.now());
    say('digest begins');
    say(`digest: ${await digest()}`);
  }
}

async function scrapes(path: string, untilMs: number): Promise<void> {
  const page = metricsHandler();
  for (; Date.now() <= untilMs; await sleep(SCRAPE_SECONDS * 1_000)) {
    const read: Page = { atMs: Date.now(), text: await (await page(new Request('http://harbor/metrics'))).text() };
    appendFileSync(path, `${JSON.stringify(read)}\n`);
  }
}

const [until = '', pages = ''] = process.argv.slice(2);
const untilMs = Date.parse(until);
const [service, digest] = [await load<Service>('harbor.ts'), await load<Digest>('digest.ts')];
await Promise.all([visitors(service, untilMs), digests(digest, untilMs), scrapes(pages, untilMs)]);
process.exit(0); // What is left would be over at this moment: a deployment ends the process.
