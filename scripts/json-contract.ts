/** What `--json` prints, field by field: `docs/json.md` is made from it, and `test/scripts/json-contract.test.ts` holds every command to it. */

/** The type of a value, with its unit. `null` is a value of each of them. */
export const JSON_UNITS = {
  text: 'a text',
  boolean: '`true` or `false`',
  count: 'a whole number',
  number: 'a number',
  any: 'a text or a number',
  ratio: 'a number of which 1 is the whole',
  days: 'days',
  seconds: 'seconds',
  ms: 'milliseconds',
  'epoch ms': 'milliseconds since the Unix epoch',
  time: 'ISO 8601, in UTC',
  day: '`YYYY-MM-DD`, in UTC',
  USD: 'US dollars, a number',
  'USD text': 'US dollars, the exact amount as text',
  'nano-USD': 'whole nano-dollars (10⁻⁹ of a dollar), a number',
  'nano-USD text': 'whole nano-dollars as text, because they may exceed the exact range of a double',
} as const;

export type JsonUnit = keyof typeof JSON_UNITS;

/** `a[]` is each element of a list, `a.*` each name of an object, and `{a,b}` both names. */
export type JsonField = readonly [path: string, unit: JsonUnit, meaning: string];

export interface JsonContract {
  /** The words after `plimsoll`. */
  readonly command: string;
  readonly introduction: string;
  readonly fields: readonly JsonField[];
}

const PRICES: JsonContract = {
  command: 'prices',
  introduction: 'One object: the table in force on a day.',
  fields: [
    ['date', 'day', 'the day'],
    ['source', 'text', '`default`, or the place of your own table'],
    ['checkedOn', 'day', 'when the table was last checked'],
    ['models[].model', 'text', 'the canonical id'],
    ['models[].aliases[]', 'text', 'its other names'],
    ['models[].{family,status,note}', 'text', 'what the table says of it'],
    ['models[].{eol,retiresNotSoonerThan}', 'day', 'the end of its life, or the earliest day of it'],
    ['models[].price.{effectiveFrom,effectiveTo}', 'day', 'the days of the price; `price` is `null` without one'],
    ['models[].price.{input,output,cacheWrite5m,cacheWrite1h,cacheRead}', 'USD', 'per million tokens'],
    ['models[].price.batchMultiplier', 'number', 'multiplies the price in a batch'],
    ['models[].price.geoMultipliers.*', 'number', 'multiplies the price by place of inference'],
    [
      'models[].price.longContext.aboveTokens',
      'count',
      'longer prompts have the prices beside it; `longContext` may be `null`',
    ],
    ['models[].price.longContext.{input,output,cacheWrite5m,cacheWrite1h,cacheRead}', 'USD', 'per million tokens'],
    [
      'models[].price.fast.{input,output,cacheWrite5m,cacheWrite1h,cacheRead}',
      'USD',
      'per million tokens at high speed; `fast` is `null` where it is not sold',
    ],
    ['models[].price.fast.batchAllowed', 'boolean', 'whether batches may be fast'],
    [
      'models[].price.{longContext,fast}.{verified,source,note}',
      'text',
      'how well those figures are known, and from where',
    ],
    ['models[].price.{verified,source,note}', 'text', 'how well the figures are known, and from where'],
    ['serverTools[].{tool,note}', 'text', 'a server tool, and what the table says of it'],
    ['serverTools[].usdPerThousandUses', 'USD', 'per thousand uses'],
  ],
};

const EXPLAIN: JsonContract = {
  command: 'prices explain',
  introduction: 'One object. The exit code is 1 if something has no price.',
  fields: [
    ['usages[].parts[].model', 'text', 'the model of a part of a usage'],
    ['usages[].parts[].priced', 'boolean', '`false`: not in the total'],
    ['usages[].parts[].how', 'text', 'the rate in words, or why there is no price'],
    ['usages[].parts[].effectiveFrom', 'day', 'the first day of the price'],
    ['usages[].parts[].{verified,source}', 'text', 'how well the price is known, and from where'],
    ['usages[].parts[].lines[].kind', 'text', 'a kind of tokens'],
    ['usages[].parts[].lines[].tokens', 'count', 'tokens of this kind'],
    ['usages[].parts[].lines[].usdPerMillionTokens', 'USD', 'with all multipliers'],
    ['usages[].parts[].lines[].nanoUsd', 'nano-USD', 'their cost'],
    ['usages[].serverTools[].tool', 'text', 'a server tool'],
    ['usages[].serverTools[].uses', 'count', 'how often it was used'],
    ['usages[].serverTools[].usdPerThousandUses', 'USD', 'its price'],
    ['usages[].serverTools[].nanoUsd', 'nano-USD', 'its cost'],
    ['usages[].notes[]', 'text', 'what is uncertain or estimated'],
    ['usages[].totalNanoUsd', 'nano-USD', 'the cost of this usage'],
    ['usages[].priced', 'boolean', '`true` if all of it has a price'],
    ['totalNanoUsd', 'nano-USD', 'the cost of all usages'],
    ['priced', 'boolean', '`true` if all of them have a price'],
    ['on.model', 'text', 'the model of `--on`; `on` is absent without it'],
    ['on.totalNanoUsd', 'nano-USD', 'the same tokens on that model'],
    ['on.priced', 'boolean', '`true` if all of them have a price there'],
  ],
};

const KEYS: JsonContract = {
  command: 'keys',
  introduction: 'One object. The exit code is 1 if there is something to do about a key.',
  fields: [
    ['sinceMs', 'epoch ms', 'when the metrics page began to count'],
    ['keys[].alias', 'text', 'the alias, in which a secret is left out'],
    ['keys[].{environment,service,role}', 'text', 'its parts, as far as they can be read'],
    ['keys[].wellNamed', 'boolean', 'whether it is `env-service-role`'],
    ['keys[].problem.{kind,expected,got,advice}', 'text', 'what is wrong with the name; `problem` may be `null`'],
    ['keys[].fits', 'boolean', 'whether it fits `ANTHROPIC_ENV`'],
    ['keys[].problems[].{kind,expected,got,advice}', 'text', 'all problems of the key'],
    [
      'keys[].use.{calls,batchResults,tokens,unpricedCalls}',
      'count',
      'counts since then; `use` is `null` without a metrics page',
    ],
    ['keys[].use.costUsd', 'USD', 'estimated'],
    ['keys[].use.lastSeenAtMs', 'epoch ms', 'the last response, if it is less than an hour old'],
    [
      'organization.readAtMs',
      'epoch ms',
      "when the organization's keys were read; `organization` is `null` without an admin key",
    ],
    ['organization.usedSince', 'day', 'the first day of use that was read'],
    ['organization.doubts[]', 'text', 'aliases that cannot be joined with a key'],
    ['organization.unread', 'text', 'why use could not be read'],
    ['organization.keys[].{id,name,status,workspaceId}', 'text', 'the key, as the API lists it'],
    ['organization.keys[].{createdAtMs,expiresAtMs}', 'epoch ms', 'its beginning and its end'],
    ['organization.keys[].workspace', 'text', 'the name of its workspace'],
    ['organization.keys[].lastUsed', 'day', 'the last day with use'],
    ['organization.keys[].ageDays', 'days', 'whole days'],
    ['organization.keys[].findings[]', 'text', 'what to look at: `expired`, `old`, `unused` and others'],
  ],
};

const WINDOW = '{month,yesterday,last_7_days,since}';

const ORGANIZATION: JsonContract = {
  command: 'organization',
  introduction:
    "One object. [The organization's books](organization.md) explains the causes. `since` is `null` without `--since`.",
  fields: [
    ['readAtMs', 'epoch ms', 'when it was read'],
    [
      'refreshedAtMs',
      'epoch ms',
      'up to when the report is complete; `null`: nothing has landed, unknown and not zero',
    ],
    ['source', 'text', 'which report was read, `analytics` or `legacy`'],
    ['ownSince', 'day', "the first day of plimsoll's own totals"],
    [`${WINDOW}.{fromDay,toDay}`, 'day', 'the first day of a comparison, and the day before which it ends'],
    [`${WINDOW}.closedDays[]`, 'day', 'the days for which the report is complete'],
    [`${WINDOW}.coverage`, 'ratio', "the part of the watched keys' use that plimsoll saw"],
    [`${WINDOW}.recordedNanoUsd`, 'nano-USD text', 'what plimsoll recorded'],
    [`${WINDOW}.listedNanoUsd`, 'nano-USD text', 'the list price of what the report has'],
    [`${WINDOW}.billedNanoUsd`, 'nano-USD text', 'what was billed'],
    [`${WINDOW}.open.{recordedNanoUsd,billedNanoUsd}`, 'nano-USD text', 'the same of days that are not complete'],
    [`${WINDOW}.difference[].{cause,group}`, 'text', 'a cause of the difference, the largest first, and its group'],
    [`${WINDOW}.difference[].nanoUsd`, 'nano-USD text', 'with the recorded amount they add up to the billed one'],
    [`${WINDOW}.difference[].{sentence,advice}`, 'text', 'the same in words, and what to do'],
    [`${WINDOW}.by.{key,workspace,model,day}[].name`, 'text', 'a row of the tables'],
    [
      `${WINDOW}.by.{key,workspace,model,day}[].{recordedNanoUsd,listedNanoUsd,billedNanoUsd}`,
      'nano-USD text',
      'its amounts',
    ],
    [`${WINDOW}.countsBy`, 'text', '`start` or `end`: the day on which the report counts calls that cross midnight'],
    [`${WINDOW}.controlFailures[].day`, 'day', 'a day whose rows do not agree with their sums'],
    [`${WINDOW}.controlFailures[].sums[]`, 'text', 'the names of those sums'],
    ['credit.leftNanoUsd', 'nano-USD text', 'what is left of the balance; `credit` is `null` without `--balance`'],
    ['credit.{leastNanoUsd,mostNanoUsd}', 'nano-USD text', 'its bounds'],
    ['credit.daysLeft', 'number', 'days that it lasts'],
    ['keys[].{id,name,status,workspaceId}', 'text', 'a key, as the API lists it'],
    ['keys[].{createdAtMs,expiresAtMs}', 'epoch ms', 'its beginning and its end'],
    ['keys[].lastUsed', 'day', 'the last day with use'],
    ['keys[].findings[]', 'text', 'what to look at'],
    ['limits[].{group,limiter}', 'text', 'a rate limit that is configured'],
    ['limits[].value', 'number', 'the limit'],
    ['limits[].models[]', 'text', 'the models that it is of'],
    ['tierCapUsd', 'USD', 'the monthly cap; `null`: none, or not known'],
    ['doubts[]', 'text', 'aliases that cannot be joined with a key'],
    ['unread[].{what,outcome}', 'text', 'what could not be read, and why'],
  ],
};

const GATEWAY: readonly JsonContract[] = [
  {
    command: 'gateway',
    introduction:
      "The first line is this object; requests are logged on the lines after it, as [the gateway's page](gateway-operations.md#probes-signals-and-logs) says.",
    fields: [
      ['time', 'time', 'when it was ready'],
      ['{level,event}', 'text', '`info`, `listening`'],
      ['{url,metricsUrl}', 'text', 'its addresses'],
      ['baseUrl', 'text', 'the API behind it'],
      ['keys[]', 'text', 'aliases of its keys'],
      ['pools[]', 'text', 'names of its pools; absent without any'],
      ['clients[]', 'text', 'names of its clients'],
      ['{ledger,tokens,replicas}', 'text', 'where spend and tokens are kept, and what replicas share'],
      ['workers', 'count', 'processes that serve'],
    ],
  },
  {
    command: 'gateway token list',
    introduction: 'One object.',
    fields: [
      ['tokens[].{id,client,state,note}', 'text', 'the id, the client, `valid`, `revoked` or `expired`, and the note'],
      ['tokens[].{createdAt,expiresAt,revokedAt}', 'time', 'its days'],
      ['tokens[].owner', 'text', 'whose it is'],
      [
        'tokens[].limits.{requestsPerMinute,inputTokensPerMinute,outputTokensPerMinute,parallelRequests}',
        'count',
        'its own limits; `limits` is `null` without any',
      ],
      ['tokens[].limits.models', 'text', 'the models that it may use'],
      ['tokens[].limits.budget', 'text', 'an amount in US dollars and a period, as in `50/month`'],
      [
        'tokens[].minted.{parent,subject,origin,models}',
        'text',
        'of a token for a user: whose token made it, for whom, for which web page and models; `null` for others',
      ],
      ['tokens[].minted.spendUsd', 'USD', 'its limit'],
    ],
  },
  {
    command: 'gateway usage',
    introduction: 'One object. A row has the parts that `--by` names.',
    fields: [
      ['{since,until}', 'day', 'the first day, and the day before which it ends'],
      ['rows[].day', 'day', 'a part'],
      ['rows[].{client,owner,key,model}', 'text', 'parts: `owner` is empty for tokens without one'],
      ['rows[].{calls,refused,unpriced}', 'count', 'calls, refused requests, calls without a price'],
      [
        'rows[].{input,cache_read,cache_write_5m,cache_write_1h,output,output_estimated,input_estimated}',
        'count',
        'tokens',
      ],
      ['rows[].costUsd', 'USD text', 'the cost'],
      ['rows[].costNanoUsd', 'nano-USD text', 'the same'],
      ['total.{calls,refused,unpriced}', 'count', 'the same of all rows'],
      [
        'total.{input,cache_read,cache_write_5m,cache_write_1h,output,output_estimated,input_estimated}',
        'count',
        'tokens',
      ],
      ['total.costUsd', 'USD text', 'the cost'],
      ['total.costNanoUsd', 'nano-USD text', 'the same'],
    ],
  },
  {
    command: 'gateway audit',
    introduction: 'One object.',
    fields: [
      ['entries[].at', 'time', 'when it was done'],
      ['entries[].{action,actor}', 'text', '`created`, `revoked` or `forgotten`, and by whom'],
      ['entries[].{token,client,owner}', 'text', 'which token, of which client, for whom'],
      ['entries[].detail', 'text', 'what it may do, or what was forgotten'],
    ],
  },
];

/** Every command that takes `--json`, in the order of the page. */
export const JSON_CONTRACTS: readonly JsonContract[] = [
  {
    command: 'check',
    introduction: 'One object. [Check](check.md) explains the causes.',
    fields: [
      ['ok', 'boolean', '`true` if a call was answered'],
      ['{baseUrl,model}', 'text', 'the API and the model that were asked'],
      ['steps[].{name,status}', 'text', 'each step taken, and `ok`, `warned`, `failed` or `skipped`'],
      ['steps[].durationMs', 'ms', 'how long it took'],
      ['steps[].text', 'text', 'its result in a few words'],
      [
        'diagnosis.{cause,text,next}',
        'text',
        'why it failed, the same in words, and what to do; `diagnosis` is `null` if nothing failed',
      ],
      ['problems[].{kind,field,expected,got,advice}', 'text', 'what is wrong in the configuration'],
      ['notices[].{field,text}', 'text', 'settings that work and should be changed'],
      ['tier', 'text', 'the usage tier that the rate limits imply'],
      ['clockSkewSeconds', 'seconds', "the API's clock minus this one"],
      ['costNanoUsd', 'nano-USD', 'what the check cost'],
    ],
  },
  PRICES,
  EXPLAIN,
  {
    command: 'budgets',
    introduction: 'One object. Nothing is printed if the ledger does not respond: the exit code is 1.',
    fields: [
      ['at', 'time', 'when it was read'],
      ['ledger.{kind,id}', 'text', 'where spend is kept, and what it calls itself'],
      ['ledger.up', 'boolean', 'whether it responds'],
      ['budgets[].{budget,scope}', 'text', 'the name, and what it counts'],
      ['budgets[].{period,mode}', 'text', '`day`, `month` or another period, and `observe`, `warn` or `block`'],
      ['budgets[].{periodStart,periodEnd}', 'time', 'the period that is in progress'],
      ['budgets[].limitUsd', 'USD', 'the amount'],
      ['budgets[].{spentUsd,reservedUsd}', 'USD', 'spent, and held for calls in progress'],
      ['budgets[].usedRatio', 'ratio', 'spent, as a part of the limit'],
      ['budgets[].burnUsdPerHour', 'USD', 'per hour'],
      ['budgets[].forecastUsd', 'USD', 'by the end of the period; `null`: too early to say'],
      ['budgets[].runsOutAt', 'time', 'when the limit is reached, if it is in this period'],
    ],
  },
  {
    command: 'scan',
    introduction: 'One object. The exit code is 1 for secrets, 3 for a scan that is not complete.',
    fields: [
      ['findings[].{kind,shown}', 'text', 'the kind of secret, and the part of it that may be shown'],
      ['findings[].fingerprint', 'text', 'the same for the same secret, wherever it is'],
      ['findings[].path', 'text', 'the file; what is inside an archive comes after a `!`'],
      ['findings[].{line,column}', 'count', 'the place in it; both begin with 1'],
      ['findings[].disguise', 'text', '`plain`, `escaped` or `base64`'],
      ['findings[].commit', 'text', 'the oldest commit that has it, with `--history`'],
      ['skipped[].{path,reason}', 'text', 'what was not scanned, and why'],
      ['{files,binaryFiles,bytes}', 'count', 'how much was scanned; binary files were not'],
      ['known', 'count', 'findings that the baseline has'],
    ],
  },
  {
    command: 'advise',
    introduction: 'One object: the most important advice first.',
    fields: [
      ['metrics', 'text', 'the page that was read'],
      ['advice[].about', 'text', '`budget`, `tier`, `route` or `cache`'],
      ['advice[].kind', 'text', 'which advice it is'],
      ['advice[].severity', 'text', '`critical`, `warning` or `info`'],
      ['advice[].text', 'text', 'the advice in words'],
      ['advice[].evidence.*', 'any', 'the figures behind it, with their units in their names'],
    ],
  },
  KEYS,
  ORGANIZATION,
  {
    command: 'simulate',
    introduction: 'Two objects, each on a line: one at the start, one at the end.',
    fields: [
      ['{url,tier}', 'text', 'at the start: its address and its tier'],
      ['seed', 'count', 'at the start: what the delays and faults are drawn from'],
      ['requests.*', 'count', 'at the end: how many requests had this status'],
      ['billedUsd', 'USD', 'at the end: what they would have cost'],
    ],
  },
  ...GATEWAY,
];
