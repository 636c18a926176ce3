/** How deep a JSON text is nested. V8 writes and reads any depth; programs that walk a result by recursion do not survive it. */

const charCodeAt = String.prototype.charCodeAt
const { apply } = Reflect
const QUOTE = 34
const BACKSLASH = 92

/** A text of so many levels has as many brackets that open and that close: shorter ones are not even looked at. */
export function isDeeperThan(json: string, levelsMax: number): boolean {
  return json.length > 2 * levelsMax && depthOf(json, levelsMax) > levelsMax
}

/** Counts up to one level more than asked for. */
function depthOf(json: string, levelsMax: number): number {
  let depth = 0
  let deepest = 0
  let inText = false
  for (let index = 0; index < json.length && deepest <= levelsMax; index++) {
    const code = apply(charCodeAt, json, [index])
    if (inText) {
      if (code === BACKSLASH) index++
      else if (code === QUOTE) inText = false
    } else if (code === QUOTE) inText = true
    // `[` and `{`, `]` and `}` differ in one bit.
    else if ((code | 32) === 123) deepest = deepest > ++depth ? deepest : depth
    else if ((code | 32) === 125) depth--
  }
  return deepest
}
