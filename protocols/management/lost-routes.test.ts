import { expect, test } from 'vitest'
import type { FunctionRecord } from '#protocols/catalog'
import { functionConfigSchema, settingsOf } from '#protocols/manifest'
import { lostRoutesOf } from './lost-routes.ts'

const VERSION = 'a'.repeat(64)
const settings = settingsOf(functionConfigSchema.parse({ routes: ['GET /mine', 'GET /theirs/:a'] }))
const record = (live: string) =>
  ({
    namespace: 'demo',
    name: 'late',
    version: VERSION,
    aliases: { live: [{ version: live, weight: 100 }] },
    manifest: { settings },
  }) as unknown as FunctionRecord
const mine = { route: 'GET /mine', namespace: 'demo', name: 'late' }
const theirs = { route: 'GET /theirs/:b', namespace: 'other', name: 'late' }

test('a route that another function holds under whatever parameter names is lost, and its holder is named', () => {
  expect(lostRoutesOf(record(VERSION), [mine, theirs])).toEqual([{ route: 'GET /theirs/:a', holder: theirs }])
  expect(lostRoutesOf(record(VERSION), [mine, { ...mine, route: 'GET /theirs/:a' }])).toEqual([])
})

test('a version without traffic asks for nothing, so it loses nothing', () => {
  expect(lostRoutesOf(record('b'.repeat(64)), [mine, theirs])).toEqual([])
})
