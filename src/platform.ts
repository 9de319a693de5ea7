/**
 * The platforms that serve Claude: which one a client calls, which of its endpoints cost more, and how it spells the ids
 * of models.
 */

/**
 * The platforms, as the SDK's packages name them. `anthropic` is the Claude API itself; `aws` is the Claude Platform on
 * AWS, which is not Amazon Bedrock, and `google-cloud` is Claude on Google Cloud as managed by Anthropic, which is not
 * Vertex AI.
 */
export const PLATFORMS = ['anthropic', 'bedrock', 'vertex', 'foundry', 'aws', 'google-cloud'] as const;

/** Who serves the model: Anthropic, or a cloud. */
export type Platform = (typeof PLATFORMS)[number];

/** The part of a platform that a call goes to. */
export interface Endpoint {
  readonly platform: Platform;
  /** Kept in one region or area, as opposed to routed worldwide; `null` where neither client nor model says. */
  readonly isRegional: boolean | null;
}

/** The fields of an SDK client that tell its platform. */
interface PlatformClient {
  readonly baseURL?: unknown;
  readonly region?: unknown;
  /** Internal to the SDK, and not in every version: the address tells without it. */
  readonly _instrumentationScope?: () => { readonly platform?: unknown };
}

/** Hosts of the platforms, for clients that do not say what they are. */
const HOSTS: readonly (readonly [RegExp, Platform])[] = [
  [/(^|\.)bedrock-(runtime|mantle)[\w-]*\./, 'bedrock'],
  [/(^|[-.])aiplatform\.([a-z]+\.rep\.)?googleapis\.com$/, 'vertex'],
  [/\.services\.ai\.azure\.com$|\.azure\.anthropic\.com$/, 'foundry'],
  [/^aws-external-anthropic\./, 'aws'],
  [/^claude\.googleapis\.com$/, 'google-cloud'],
];

/** The platform of a client: what its package says, or else what its address does. A gateway's address is `anthropic`. */
export function platformOf(client: object): Platform {
  const { baseURL } = client as PlatformClient;
  const named = namedPlatform(client);
  const host = typeof baseURL === 'string' ? (URL.parse(baseURL)?.hostname ?? '') : '';
  return named ?? HOSTS.find(([pattern]) => pattern.test(host))?.[1] ?? 'anthropic';
}

/** A bare Proxy makes the SDK's own methods throw. */
function namedPlatform(client: PlatformClient): Platform | undefined {
  try {
    const named = client._instrumentationScope?.().platform;
    return PLATFORMS.find((platform) => platform === named);
  } catch {
    return undefined;
  }
}

/** The endpoint that a client of a platform calls for a model, by the spelling of its id. */
export function endpointOf(platform: Platform, client: object, model: string | null): Endpoint {
  if (platform === 'bedrock') return { platform, isRegional: isRegionalOnBedrock(model ?? '') };
  if (platform !== 'vertex') return { platform, isRegional: false };
  const { region } = client as PlatformClient;
  return { platform, isRegional: typeof region === 'string' ? region !== 'global' : null };
}

/** The place of inference under which a price table has what the regional endpoints of a platform cost. */
export function regionalGeo(platform: Platform): string {
  return `${platform}/regional`;
}

/** The place of inference that an endpoint is priced at; `null` where it does not decide. What may be regional costs what is. */
export function geoOf({ platform, isRegional }: Endpoint): string | null {
  return isRegional === false ? null : regionalGeo(platform);
}

/** `us.anthropic.claude-haiku-4-5-20251001-v1:0`: where, which model, and versions that are Bedrock's own. */
const BEDROCK_ID = /^(?:([a-z]{2,6}(?:-gov)?)\.)?anthropic\.(claude-[a-z0-9-]+?)(?:-v\d+)?(?::\d+(?::\d+k)?)?$/;

/** `claude-haiku-4-5@20251001`, or `@default`. */
const VERTEX_ID = /^(claude-[a-z0-9-]+?)(?:-v\d+)?@(20\d{6}|default|latest)$/;

/** Resources that end with the id of a model, or with a name that says nothing of it. */
const RESOURCE = /^(?:arn:aws[\w-]*:bedrock:|projects\/|publishers\/)/;

/** A profile that an account has made hides what it routes to, and GovCloud's prices are not known. */
function isRegionalOnBedrock(model: string): boolean | null {
  const [matched, area] = BEDROCK_ID.exec(nameIn(model)) ?? [];
  return matched === undefined || area === 'us-gov' ? null : area !== 'global';
}

function nameIn(id: string): string {
  return RESOURCE.test(id) ? id.slice(id.lastIndexOf('/') + 1) : id;
}

/**
 * The id of a model as the Claude API spells it, from a spelling of Bedrock's or Vertex AI's, resource names included.
 * Any other text is returned as it is.
 */
export function plainModel(id: string): string {
  const name = nameIn(id);
  const onBedrock = BEDROCK_ID.exec(name)?.[2];
  if (onBedrock !== undefined) return onBedrock;
  const [, model, version = ''] = VERTEX_ID.exec(name) ?? [];
  if (model !== undefined) return version.startsWith('20') ? `${model}-${version}` : model;
  return name.startsWith('claude-') ? name : id;
}
