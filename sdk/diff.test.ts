import { expect, test } from 'vitest'
import { type FunctionConfig, functionConfigSchema, type Manifest, settingsOf } from '#protocols/manifest'
import { changesOf, diffVersions } from './diff.ts'
import type { VersionSummary } from '#protocols/management'

const digest = (letter: string) => letter.repeat(64)
const manifestOf = (config: FunctionConfig, code = 'a', tests: Manifest['tests'] = []): Manifest => ({
  ...{ format: 1, namespace: 'demo', name: 'greet', artifact: { digest: digest(code), bytes: code.charCodeAt(0) }, parameters: [], tests },
  source: { digest: digest(code), entry: 'greet.ts', language: 'typescript' },
  settings: settingsOf(functionConfigSchema.parse(config)),
  provenance: { node: `node-${code}`, tools: [], files: [] },
})
const versionOf = (ordinal: number, letter: string, aliases: string[], manifest = manifestOf({})): VersionSummary => ({
  ...{ version: digest(letter), ordinal, publishedAt: 0, publishedBy: 'ada', author: digest('f'), aliases, manifest },
})
const versions = [versionOf(1, 'a', ['old']), versionOf(2, 'b', ['live']), versionOf(3, 'c', ['canary', 'live']), versionOf(4, 'd', [])]

test('each setting, route, variable, secret and test that differs is one change; who built the two is none', () => {
  const before = manifestOf({ env: { A: '1', SAME: 'x' }, secrets: ['KEY'], routes: ['/a'], execution: { timeout: '5s' } })
  const after = manifestOf(
    { env: { A: '2', B: '3', SAME: 'x' }, secrets: ['KEY@2', 'NEW'], routes: ['/a', '/b'], execution: { timeout: '6s' }, access: 'public' },
    'b',
    [{ file: 'greet.test.ts', digest: digest('e') }],
  )
  expect(changesOf(before, after)).toEqual([
    { key: 'access', from: 'token', to: 'public' },
    { key: 'artifact.bytes', from: 97, to: 98 },
    { key: 'artifact.digest', from: digest('a'), to: digest('b') },
    { key: 'env.A', from: '1', to: '2' },
    { key: 'env.B', from: null, to: '3' },
    { key: 'execution.cpuMs', from: 5000, to: 6000 },
    { key: 'execution.timeoutMs', from: 5000, to: 6000 },
    { key: 'routes', from: ['/a'], to: ['/a', '/b'] },
    { key: 'secrets.KEY', from: 'newest', to: 2 },
    { key: 'secrets.NEW', from: null, to: 'newest' },
    { key: 'source.digest', from: digest('a'), to: digest('b') },
    { key: 'tests.greet.test.ts', from: null, to: digest('e') },
  ])
  expect(changesOf(before, { ...before, provenance: after.provenance })).toEqual([])
})

test('without names it is the live version against the one before it', () => {
  const ordinals = (from?: string, to?: string) => {
    const diff = diffVersions('demo/greet', versions, from, to)
    return [diff.from.ordinal, diff.to.ordinal]
  }
  expect(ordinals()).toEqual([2, 3])
  expect(ordinals('v1')).toEqual([1, 3])
  expect(ordinals(undefined, 'v2')).toEqual([1, 2])
  expect(ordinals('canary', digest('d').slice(0, 8))).toEqual([3, 4])
})

test.each([
  ['v9', undefined, 'not_found', 'the function has no version or alias "v9" (versions: 4)'],
  ['live', undefined, 'invalid_argument', 'it means 2 versions'],
  [undefined, 'old', 'conflict', 'no version was published before v1'],
])('from %s to %s is %s', (from, to, code, sentence) => {
  const compare = () => diffVersions('demo/greet', versions, from, to)
  expect(compare).toThrow(expect.objectContaining({ code }))
  expect(compare).toThrow(sentence)
})
