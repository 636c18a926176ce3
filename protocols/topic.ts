/**
 * Topics by name, and what a subscription covers. Pure, no dependencies: the browser SDK uses this file too.
 *
 * A topic belongs to a namespace and is written `orders.created`, or `demo/orders.created` where the namespace is not clear: labels of lower-case
 * letters, digits, `-` and `_`, separated by dots. A pattern is a topic in which a label may be `*` (any one label) and the last one `**` (one label
 * or more, so `orders.**` covers `orders.created` and `orders.eu.created`, not `orders`).
 * Topics below `osiris.` are the platform's own events: nobody publishes there, and only a pattern that begins with the label `osiris` covers them.
 */
import { OsirisError } from './errors.ts'
import { assertName } from './function.ts'

/** A label fits where a name fits; 16 of them and 255 characters are more than anybody reads. */
export const TOPIC_LABELS_MAX = 16
const TOPIC_CHARACTERS_MAX = 255
const LABEL = /^[a-z0-9_][a-z0-9_-]{0,62}$/
/** First label of the platform's own events. */
const PLATFORM_LABEL = 'osiris'
const TOPIC_RULE = `a topic is 1 to ${TOPIC_LABELS_MAX} labels (a-z, 0-9, "-", "_"; at most 63 characters each), separated by dots, at most ${TOPIC_CHARACTERS_MAX} characters`

export interface TopicRef {
  namespace: string
  topic: string
}

/** What an entry of `subscribe` covers. */
export interface TopicPattern {
  /** Whose topics. */
  namespace: string
  /** Literals and `*`. */
  labels: readonly string[]
  /** It ends in `**`: `labels`, and at least one more. */
  open: boolean
}

/** Throws `invalid_argument`. */
export function assertTopic(topic: string): void {
  if (topic.length > TOPIC_CHARACTERS_MAX || !areLabels(topic.split('.'))) throw unreadable(topic, 'topic', TOPIC_RULE)
}

/** Parses `namespace/topic`; without a namespace it is `home`'s, where there is one. Throws `invalid_argument`. */
export function parseTopicRef(text: string, home?: string): TopicRef {
  const { namespace, rest } = split(text, home, 'topic')
  assertTopic(rest)
  return { namespace, topic: rest }
}

/** Parses `[namespace/]pattern`; without a namespace it is about `home`'s topics. Throws `invalid_argument`. */
export function parseTopicPattern(text: string, home: string): TopicPattern {
  const { namespace, rest } = split(text, home, 'pattern')
  const all = rest.split('.')
  const open = all.at(-1) === '**'
  const labels = open ? all.slice(0, -1) : all
  const literal = labels.map((each) => (each === '*' ? 'x' : each))
  const isWhole = rest.length <= TOPIC_CHARACTERS_MAX && (literal.length === 0 ? open : areLabels(literal))
  if (!isWhole) throw unreadable(text, 'pattern', `${TOPIC_RULE}; a label may be "*", the last one "**"`)
  return { namespace, labels, open }
}

/** Namespaces other than its own whose topics these patterns are about, each once. */
export function foreignNamespaces(patterns: readonly string[], home: string): string[] {
  return [...new Set(patterns.map((each) => parseTopicPattern(each, home).namespace))].filter((each) => each !== home)
}

/** Whether the topic is one of the platform's own events. */
export function isPlatformTopic(topic: string): boolean {
  return topic === PLATFORM_LABEL || topic.startsWith(`${PLATFORM_LABEL}.`)
}

/** Whether the pattern asks for the platform's own events, and for nothing else. */
export function isPlatformPattern({ labels }: TopicPattern): boolean {
  return labels[0] === PLATFORM_LABEL
}

/** Whether the pattern covers the topic of its namespace. Costs one look at each label of the pattern. */
export function coversTopic(pattern: TopicPattern, topic: readonly string[]): boolean {
  const { labels, open } = pattern
  if (open ? topic.length <= labels.length : topic.length !== labels.length) return false
  if (topic[0] === PLATFORM_LABEL && labels[0] !== PLATFORM_LABEL) return false
  return labels.every((label, at) => label === '*' || label === topic[at])
}

function areLabels(labels: readonly string[]): boolean {
  return labels.length <= TOPIC_LABELS_MAX && labels.every((each) => LABEL.test(each))
}

function split(text: string, home: string | undefined, what: string): { namespace: string; rest: string } {
  const slash = text.indexOf('/')
  if (slash < 0 && home === undefined) throw unreadable(text, what, 'expected NAMESPACE/TOPIC')
  const namespace = slash < 0 ? (home as string) : text.slice(0, slash)
  assertName(namespace, 'a namespace')
  return { namespace, rest: text.slice(slash + 1) }
}

function unreadable(text: string, what: string, rule: string): OsirisError {
  return new OsirisError('invalid_argument', `Cannot read ${JSON.stringify(text.slice(0, 160))} as a ${what}: ${rule}`)
}
