/**
 * The names of a plain function's parameters, read from the bundle's text, and a default export that plainly is no function. Pure, and never
 * throws: what it cannot read has no names.
 *
 * It stands on how the bundler prints: top-level declarations begin a line, the exports are one clause at the end, arrow parameters
 * are in parentheses, comments are gone, and (given `template-literal: false`) no token spans two lines. So a line that begins with
 * `function greet(` is that declaration, and no grammar of the whole language is needed.
 */
const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*`
const EXPORT_CLAUSE = /^export \{\n([^}]*)\n\};/gmu
const DEFAULT_EXPORT = new RegExp(`^ {2}(${NAME}) as default,?$`, 'mu')
/** How often a name may stand for another name (`var x_default = greet;`). */
const ALIASES_MAX = 8
const LITERAL_MAX = 10_000
const LITERALS: readonly [kind: string, form: RegExp][] = [
  ['a number', /^-?[\d.][\d.e+_-]*$|^-?Infinity$|^NaN$/i],
  ['a BigInt', /^-?\d+n$/],
  ['a text', /^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')$/],
  ['a boolean', /^(?:true|false|!0|!1)$/],
  ['null', /^null$/],
  ['undefined', /^(?:undefined|void 0)$/],
  ['an empty array', /^\[\]$/],
  ['an empty object', /^\{\}$/],
]
/** What a manifest takes. */
const PARAMETERS_MAX = 64
const NAME_LENGTH_MAX = 128

/** Parameter names in order; '' where a parameter is a pattern. Empty for anything but a plain function. */
export function parametersOf(code: string): string[] {
  let name = defaultName(code)
  for (let hops = 0; name !== undefined && hops < ALIASES_MAX; hops++) {
    const list = declaredParameters(code, name)
    if (list !== undefined) return namesOf(list)
    name = new RegExp(`^(?:var|let|const) ${escaped(name)} = (${NAME});$`, 'mu').exec(code)?.[1]
  }
  return []
}

/** What the default export plainly is when nobody can call it: `a number`. Only literals are judged; everything else shows when it is loaded. */
export function uncallableDefault(code: string): string | undefined {
  const name = defaultName(code)
  // Declared and exported, and nowhere assigned.
  if (name === undefined || code.split(name).length !== 3) return undefined
  const literal = new RegExp(`^(?:var|let|const) ${escaped(name)} = (.{1,${LITERAL_MAX}});$`, 'mu').exec(code)?.[1] ?? ''
  return LITERALS.find(([, form]) => form.test(literal))?.[0]
}

function defaultName(code: string): string | undefined {
  const clause = [...code.matchAll(EXPORT_CLAUSE)].at(-1)?.[1] ?? ''
  return DEFAULT_EXPORT.exec(clause)?.[1]
}

/** The text between the parentheses of the function with this name, without them. */
function declaredParameters(code: string, name: string): string | undefined {
  const declaration = new RegExp(`^(?:async )?function\\*? ?${escaped(name)}\\(`, 'mu').exec(code)
  if (declaration !== null) return betweenParentheses(code, declaration.index + declaration[0].length)?.text
  const variable = new RegExp(`^(?:var|let|const) ${escaped(name)} = (?:async )?(function\\*? ?(?:${NAME})?)?\\(`, 'mu').exec(code)
  if (variable === null) return undefined
  const list = betweenParentheses(code, variable.index + variable[0].length)
  if (list === undefined) return undefined
  return variable[1] !== undefined || code.startsWith(' =>', list.end + 1) ? list.text : undefined
}

function escaped(name: string): string {
  return name.replaceAll('$', String.raw`\$`)
}

/** From just behind an opening parenthesis to its closing one; `undefined` where brackets do not add up. */
function betweenParentheses(code: string, start: number): { text: string; end: number } | undefined {
  let depth = 0
  for (let at = start; at < code.length; at = after(code, at)) {
    const character = code[at] as string
    if (')]}'.includes(character)) {
      if (depth === 0) return character === ')' ? { text: code.slice(start, at), end: at } : undefined
      depth--
    } else if ('([{'.includes(character)) depth++
  }
  return undefined
}

function namesOf(list: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < list.length; at = after(list, at)) {
    const character = list[at] as string
    if ('([{'.includes(character)) depth++
    else if (')]}'.includes(character)) depth--
    else if (character === ',' && depth === 0) {
      parts.push(list.slice(start, at))
      start = at + 1
    }
  }
  parts.push(list.slice(start))
  if (parts.at(-1)?.trim() === '') parts.pop()
  return parts.slice(0, PARAMETERS_MAX).map(nameOf)
}

const LEADING_NAME = new RegExp(`^\\s*(?:\\.\\.\\.)?(${NAME})`, 'u')

function nameOf(parameter: string): string {
  const name = LEADING_NAME.exec(parameter)?.[1] ?? ''
  return name.length > NAME_LENGTH_MAX ? '' : name
}

/** The place behind the token at `at`: strings, templates, regular expressions and comments as a whole, anything else one character. */
function after(code: string, at: number): number {
  const character = code[at]
  if (character === '"' || character === "'" || character === '`') return behindQuoted(code, at)
  if (character !== '/') return at + 1
  if (code[at + 1] === '*') {
    const end = code.indexOf('*/', at + 2)
    return end < 0 ? code.length : end + 2
  }
  if (code[at + 1] === '/') {
    const end = code.indexOf('\n', at)
    return end < 0 ? code.length : end
  }
  return startsExpression(code, at) ? behindRegExp(code, at) : at + 1
}

function behindQuoted(code: string, start: number): number {
  for (let at = start + 1; at < code.length; at++) {
    if (code[at] === '\\') at++
    else if (code[at] === code[start]) return at + 1
  }
  return code.length
}

/** Behind an operator or an opening bracket a slash begins a regular expression; behind a value it divides. */
function startsExpression(code: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && /\s/.test(code[before] as string)) before--
  return (
    before < 0 ||
    '=([{,;:!&|?+-*%<>~^'.includes(code[before] as string) ||
    /\breturn$/.test(code.slice(Math.max(0, before - 6), before + 1))
  )
}

function behindRegExp(code: string, start: number): number {
  let inClass = false
  for (let at = start + 1; at < code.length; at++) {
    const character = code[at]
    if (character === '\\') at++
    else if (character === '\n') return start + 1
    else if (character === '[') inClass = true
    else if (character === ']') inClass = false
    else if (character === '/' && !inClass) return at + 1
  }
  return start + 1
}
