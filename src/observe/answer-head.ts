/** What is known of an answer before its body. `headers` of a refusal are replaced where a retry policy has a say in them. */
export interface AnswerHead {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
}
