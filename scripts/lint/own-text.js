// @ts-check
/** @import { Rule, Scope } from 'eslint' */
/** @import { Expression, Node } from 'estree' */

/** Methods that look for something in a text, or take it apart. */
const SEARCHES = new Set([
  ...['includes', 'startsWith', 'endsWith', 'match', 'matchAll', 'search', 'indexOf', 'lastIndexOf'],
  ...['split', 'replace', 'replaceAll'],
]);

/** Names of sentences, as variables and as fields: of an error, a problem, a notice. */
const SENTENCE = /^(?:message|sentence|problem|notice|finding|advice|expected|got|diagnosis)$/;

/** Functions that make a sentence, or hand over one that came. */
const TELLING = /^(?:sentenceOf|phraseOf|messageOf|shownMessage)$/;

const ERROR = /^(?:error|cause|reason|failure)$/;

/** Prose as opposed to an alphabet, a prefix or the name of something. */
const PROSE = /[a-z]+ [a-z]+ [a-z]+/i;

/**
 * Refuses to look into the text of a message: a sentence is for people, and changes. Whoever diagnoses reads `kind`,
 * `field` or `code`. What others write (the API, the SDK, Node, Redis) is read in the files that `eslint.config.js` names.
 *
 * @type {Rule.RuleModule}
 */
export const ownText = {
  meta: {
    type: 'problem',
    messages: { matched: 'A message is for people: read `kind`, `field` or `code` instead of its text.' },
    schema: [],
  },
  create(context) {
    /** @param {Node} node @returns {boolean} */
    const isSentence = (node, depth = 0) => {
      if (depth > 4) return false;
      if (node.type === 'ChainExpression') return isSentence(node.expression, depth);
      if (node.type === 'MemberExpression')
        return !node.computed && node.property.type === 'Identifier' && SENTENCE.test(node.property.name);
      if (node.type === 'CallExpression') return isTelling(node);
      if (node.type === 'LogicalExpression') return isSentence(node.left, depth + 1);
      if (node.type === 'TemplateLiteral') return node.expressions.some((part) => isSentence(part, depth + 1));
      if (node.type !== 'Identifier') return false;
      return SENTENCE.test(node.name) || isSentence(constant(node) ?? node, depth + (constant(node) ? 1 : 9));
    };

    /** @param {Node & { type: 'CallExpression' }} call */
    const isTelling = ({ callee, arguments: given }) => {
      if (callee.type !== 'Identifier') return false;
      if (TELLING.test(callee.name)) return true;
      const [first] = given;
      return callee.name === 'String' && first?.type === 'Identifier' && ERROR.test(first.name);
    };

    /** The value that a `const` was given; `null` for any other variable. @param {Node & { type: 'Identifier' }} node */
    const constant = (node) => {
      /** @type {Scope.Scope | null} */
      let scope = context.sourceCode.getScope(node);
      while (scope !== null && !scope.set.has(node.name)) scope = scope.upper;
      const [definition] = scope?.set.get(node.name)?.defs ?? [];
      if (definition?.type !== 'Variable' || definition.node.id.type !== 'Identifier') return null;
      return definition.parent.kind === 'const' ? (definition.node.init ?? null) : null;
    };

    /** @param {Node | null} node @returns {boolean} */
    const isProse = (node) => {
      if (node === null) return false;
      if (node.type === 'Literal') return typeof node.value === 'string' && PROSE.test(node.value);
      if (node.type === 'BinaryExpression')
        return isProse(/** @type {Expression} */ (node.left)) || isProse(node.right);
      if (node.type === 'TemplateLiteral') return node.quasis.some(({ value }) => PROSE.test(value.raw));
      return node.type === 'Identifier' && isProse(constant(node));
    };

    /** @param {Node} node */
    const report = (node) => context.report({ node, messageId: 'matched' });

    return {
      CallExpression(node) {
        const { callee, arguments: given } = node;
        if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return;
        const method = callee.property.name;
        const [tested] = given;
        if (method === 'split' && tested?.type === 'Literal' && /^[ \n]$/.test(String(tested.value))) return; // Laid out.
        if (SEARCHES.has(method) && (isSentence(callee.object) || isProse(callee.object))) report(node);
        if ((method === 'test' || method === 'exec') && tested !== undefined && isSentence(tested)) report(node);
      },
      BinaryExpression(node) {
        const { operator, left, right } = node;
        if (!['===', '!==', '==', '!='].includes(operator)) return;
        const sides = /** @type {const} */ ([
          [left, right],
          [right, left],
        ]);
        // An empty text says that there is none.
        const isMatched = sides.some(
          ([one, other]) =>
            isSentence(one) && other.type === 'Literal' && typeof other.value === 'string' && other.value,
        );
        if (isMatched) report(node);
      },
      SwitchStatement(node) {
        if (isSentence(node.discriminant)) report(node.discriminant);
      },
    };
  },
};
