/** What is wrong with a file, as sentences with a place: zod's findings in words a person can act on. */
import { z } from 'zod'
import { nearest } from './nearest.ts'
import type { Path, YamlFile } from './yaml-file.ts'

/** Findings shown at once; the rest appears when these are mended. */
const SHOWN_MAX = 20

/** One line per finding: `file:line:column: key.path: sentence`, in the order of the file's keys as zod walks them. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], schema: z.ZodType, yaml: YamlFile): string[] {
  return issues.flatMap((issue) => linesOf(issue, schema, yaml)).slice(0, SHOWN_MAX)
}

function linesOf(issue: z.core.$ZodIssue, schema: z.ZodType, yaml: YamlFile): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path)
    return issue.keys.map((key) => line(yaml.at([...issue.path, key], true), [...issue.path, key], unknownKey(key, known)))
  }
  const place = isMissing(issue) ? yaml.at(issue.path.slice(0, -1), true) : yaml.at(issue.path, issue.code === 'invalid_key')
  return [line(place, issue.path, sentenceOf(issue))]
}

const line = (place: string, path: Path, sentence: string) =>
  `${place}: ${path.length === 0 ? '' : `${path.map(String).join('.')}: `}${sentence}`

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known)
  return `unknown key${near === undefined ? '' : `; did you mean "${near}"?`}${near === undefined && known.length > 0 ? `; known keys are ${known.join(', ')}` : ''}`
}

/** What is wrong, without the place. */
export function sentenceOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'malformed'
  switch (issue.code) {
    case 'invalid_type':
      return isMissing(issue) ? 'is required' : `expected ${KIND[issue.expected] ?? issue.expected}, found ${kindOf(issue.input)}`
    case 'invalid_union': {
      const expected = issue.errors.flatMap((all) =>
        all.map((each) => (each.code === 'invalid_type' ? (KIND[each.expected] ?? each.expected) : sentenceOf(each))),
      )
      return expected.length === 0
        ? issue.message
        : `expected ${[...new Set(expected)].map((each) => each.replace(/^expected /, '')).join(' or ')}`
    }
    case 'invalid_value':
      return issue.message.startsWith('Invalid') ? `expected ${issue.values.map((each) => JSON.stringify(each)).join(', ')}` : issue.message
    case 'invalid_key':
      return issue.issues[0]?.message ?? issue.message
    case 'too_big':
      return issue.message.startsWith('Too') ? `must be at most ${issue.maximum}${unitOf(issue.origin)}` : issue.message
    case 'too_small':
      return issue.message.startsWith('Too') ? `must be at least ${issue.minimum}${unitOf(issue.origin)}` : issue.message
    case 'invalid_format':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'invalid_element':
    case 'custom':
      break
  }
  return issue.message
}

const KIND: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys and values',
  record: 'keys and values',
}

const unitOf = (origin: string) => (origin === 'string' ? ' characters' : origin === 'array' ? ' items' : '')
const isMissing = (issue: z.core.$ZodIssue) => issue.code === 'invalid_type' && issue.input === undefined

function kindOf(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'keys and values'
  return typeof value === 'string'
    ? 'a text'
    : typeof value === 'number'
      ? 'a number'
      : typeof value === 'boolean'
        ? 'true or false'
        : typeof value
}

/** Keys the schema knows at a path. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let here: unknown = schema
  for (const segment of path) {
    here = unwrap(here)
    if (here instanceof z.ZodObject) here = (here.shape as Record<PropertyKey, unknown>)[segment]
    else if (here instanceof z.ZodRecord) here = here.valueType
    else return []
  }
  here = unwrap(here)
  return here instanceof z.ZodObject ? Object.keys(here.shape) : []
}

function unwrap(schema: unknown): unknown {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? unwrap(schema.unwrap()) : schema
}
