/** What every secret begins with: those of the API, and the tokens of a plimsoll gateway. */
const MARK = /sk-ant-|plk_/i;

/** Whether a text may have a secret in it, whole or in part: then it is shown nowhere. */
export function mayHoldSecret(text: string): boolean {
  return MARK.test(text);
}
