import { expect, test } from 'vitest'
import { functionConfigSchema, type Manifest, nameSchema, settingsOf, versionOf } from '#protocols/manifest'

const DIGEST = 'a'.repeat(64)
const manifest = (config: Parameters<typeof functionConfigSchema.parse>[0] = {}, node = 'node-1'): Manifest => ({
  ...{ format: 1, namespace: 'demo', name: 'greet', artifact: { digest: DIGEST, bytes: 1 }, parameters: [], tests: [] },
  source: { digest: DIGEST, entry: 'greet.ts', language: 'typescript' },
  settings: settingsOf(functionConfigSchema.parse(config)),
  provenance: { node, tools: [`made by ${node}`], files: ['greet.ts'] },
})

test('a name is a label of a host name that shows itself as it is written', () => {
  const good = ['a', 'a1', 'a-b', 'a--b', 'xn-a', 'axn--b', `a${'b'.repeat(62)}`]
  const wrong = ['', 'a-', 'xn--80ak6aa92e', 'xn--a', '-a', '1a', 'A', 'a_b', 'a.b', 'a\n', 'd\u0435mo', '\uff41', `a${'b'.repeat(63)}`]
  expect(good.filter((each) => !nameSchema.safeParse(each).success)).toEqual([])
  expect(wrong.filter((each) => nameSchema.safeParse(each).success)).toEqual([])
})

test('who built a version does not change its name, and what runs does', () => {
  const one = versionOf(manifest())
  expect(versionOf(manifest({}, 'node-2'))).toBe(one)
  const others = [{ env: { A: '1' } }, { routes: ['/x'] }, { secrets: ['KEY'] }, { secrets: ['KEY@1'] }, { access: 'public' as const }]
  expect(new Set([one, ...others.map((each) => versionOf(manifest(each)))]).size).toBe(others.length + 1)
  expect(versionOf({ ...manifest(), tests: [{ file: 'greet.test.ts', digest: DIGEST }] })).not.toBe(one)
})

test('a schedule is a line, or a line with its time zone and what becomes of ticks that were missed', () => {
  const scheduleOf = (schedule: unknown) => settingsOf(functionConfigSchema.parse({ schedule })).schedule
  expect(scheduleOf('*/5 * * * *')).toEqual({ cron: '*/5 * * * *', timezone: 'UTC', missed: 'skip', overlap: false })
  const full = { cron: '0 9 * * 1-5', timezone: 'Europe/Berlin', missed: 'last', overlap: true }
  expect(scheduleOf(full)).toEqual(full)
  const wrong = ['soon', { cron: '* * * *' }, { cron: '* * * * *', timezone: 'Mars' }, { cron: '* * * * *', missed: 'some' }]
  expect(wrong.filter((each) => functionConfigSchema.safeParse({ schedule: each }).success)).toEqual([])
})

test('only a function that may be started twice is hedged', () => {
  const parse = (config: unknown) => functionConfigSchema.safeParse(config)
  expect(settingsOf(functionConfigSchema.parse({ idempotent: true, hedge: { after: '50ms' } })).hedge).toEqual({ afterMs: 50 })
  expect(parse({ hedge: { after: '50ms' } }).error?.issues[0]).toMatchObject({ path: ['hedge'] })
  expect(parse({ idempotent: true, hedge: {} }).success).toBe(false)
  expect(settingsOf(functionConfigSchema.parse({ idempotent: true }))).not.toHaveProperty('hedge')
})

test('what a function asks of its node: labels as text, and regions; nothing where nothing is asked', () => {
  const placeOf = (place: unknown) => settingsOf(functionConfigSchema.parse({ place })).place
  expect(placeOf({ labels: { gpu: true, cores: 8 }, regions: ['eu-west-1'] })).toEqual({
    labels: { gpu: 'true', cores: '8' },
    regions: ['eu-west-1'],
  })
  expect(placeOf({ labels: { gpu: true } })).toEqual({ labels: { gpu: 'true' }, regions: [] })
  expect(settingsOf(functionConfigSchema.parse({ place: { labels: {} } }))).not.toHaveProperty('place')
  const wrong = [{ label: {} }, { labels: { 'a b': 1 } }, { labels: { a: 'x'.repeat(65) } }, { regions: ['EU'] }]
  expect(wrong.filter((each) => functionConfigSchema.safeParse({ place: each }).success)).toEqual([])
})

test('a secret is referred to by its name, or by its name and a version, once', () => {
  const { secrets } = settingsOf(functionConfigSchema.parse({ secrets: ['API_KEY', 'OTHER@3'] }))
  expect(secrets).toEqual([
    { name: 'API_KEY', version: null },
    { name: 'OTHER', version: 3 },
  ])
  const wrong = [['A@0'], ['A@'], ['A@v1'], ['A', 'A@1'], ['A B']]
  expect(wrong.filter((each) => functionConfigSchema.safeParse({ secrets: each }).success)).toEqual([])
})
