/** Content types (MIME Sniffing Standard, parsing and serializing); every loop goes over the text once. */
import { trimHttp } from './text.ts'

export interface Mime {
  /** `type/subtype` in lower case. */
  essence: string
  parameters: Map<string, string>
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-zA-Z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

export function parseMime(text: string): Mime | undefined {
  const end = indexOr(text, ';', 0)
  const [type = '', subtype = '', ...more] = trimHttp(text.slice(0, end)).split('/')
  if (more.length > 0 || !TOKEN.test(type) || !TOKEN.test(subtype)) return undefined
  const parameters = new Map<string, string>()
  for (let at = end; at < text.length;) at = parameter(text, at + 1, parameters)
  return { essence: `${type}/${subtype}`.toLowerCase(), parameters }
}

export function mimeText({ essence, parameters }: Mime): string {
  let text = essence
  for (const [name, value] of parameters) text += `;${name}=${TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`
  return text
}

/** Takes one `name=value` from there on; gives the place of the `;` behind it. */
function parameter(text: string, from: number, into: Map<string, string>): number {
  const equals = indexOr(text, '=', from)
  const end = indexOr(text, ';', from)
  if (end < equals || equals === text.length) return end
  const name = trimHttp(text.slice(from, equals)).toLowerCase()
  const quoted = text[equals + 1] === '"' ? quotedString(text, equals + 2) : undefined
  const value = quoted === undefined ? trimHttp(text.slice(equals + 1, end)) : quoted.value
  const valid = TOKEN.test(name) && VALUE.test(value) && (quoted !== undefined || value !== '')
  if (valid && !into.has(name)) into.set(name, value)
  return quoted === undefined ? end : indexOr(text, ';', quoted.end)
}

function quotedString(text: string, from: number): { value: string; end: number } {
  let value = ''
  let at = from
  for (; at < text.length && text[at] !== '"'; at++) {
    if (text[at] === '\\' && at + 1 < text.length) at++
    value += text[at] as string
  }
  return { value, end: at + 1 }
}

function indexOr(text: string, character: string, from: number): number {
  const at = text.indexOf(character, from)
  return at < 0 ? text.length : at
}
