/** The lexical grammar of TypeScript, as far as finding imports needs it: what is code, and what only looks like it. */
export interface Token {
  kind: 'word' | 'string' | 'punctuation' | 'other'
  /** For a string: what stands between its quotes, escapes as written. */
  text: string
  /** Counted from 1. */
  line: number
}

const SKIP = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|^#![^\n]*)+/y
const WORD = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*/uy
const NUMBER = /\d[\w.]*/y
const STRING = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y
const REGEX = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
/** From a backtick, or from the brace that closes a substitution, to the end of the template or to its next `${`. */
const TEMPLATE = /[`}](?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)?/y

/** Words after which a `/` begins a regular expression although they look like operands. */
const OPERATORS = new Set('return typeof case in of delete void throw new else do await yield instanceof'.split(' '))

export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  /** Open braces; `true` for a template's `${`, whose `}` returns to the template. */
  const braces: boolean[] = []
  let at = 0
  let line = 1

  const read = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(text)?.[0]
  }
  const push = (kind: Token['kind'], raw: string, value = raw) => {
    tokens.push({ kind, text: value, line })
    skip(raw)
  }
  const skip = (raw: string) => {
    line += raw.split('\n').length - 1
    at += raw.length
  }
  const pushTemplate = (raw: string) => {
    const opens = raw.endsWith('${')
    if (opens) braces.push(true)
    const whole = raw.startsWith('`') && !opens
    push(whole ? 'string' : 'other', raw, whole ? raw.slice(1, -1) : raw)
  }

  while (at < text.length) {
    const blank = read(SKIP)
    if (blank !== undefined) {
      skip(blank)
      continue
    }
    const char = text[at]!
    const word = read(WORD)
    const literal = char === "'" || char === '"' ? read(STRING) : undefined
    const regex = char === '/' && regexMayStart(tokens.at(-1)) ? read(REGEX) : undefined
    const number = read(NUMBER)
    if (word !== undefined) push('word', word)
    else if (literal !== undefined) push('string', literal, literal.slice(1, -1))
    else if (char === '`') pushTemplate(read(TEMPLATE)!)
    else if (char === '}' && braces.pop() === true) pushTemplate(read(TEMPLATE)!)
    else if (regex !== undefined) push('other', regex)
    else if (number !== undefined) push('other', number)
    else {
      if (char === '{') braces.push(false)
      push('punctuation', char)
    }
  }
  return tokens
}

/** After an operand a `/` divides; after `<` it closes a tag. After `)` or `}` it divides nearly always, and a regular expression there holds no import. */
function regexMayStart(before: Token | undefined): boolean {
  if (before === undefined) return true
  if (before.kind === 'word') return OPERATORS.has(before.text)
  return before.kind === 'punctuation' && ![')', ']', '}', '<'].includes(before.text)
}
