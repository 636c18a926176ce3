import fc from 'fast-check'
import { expect, test } from 'vitest'
import { chainText, pathBelow, tooDeep } from './lineage.ts'

test('a cycle is told once round, anything else whole', () => {
  expect(chainText(['demo/a', 'demo/b', 'demo/a', 'demo/b'], 'demo/a')).toBe('demo/a → demo/b → demo/a → …')
  expect(chainText(['demo/x', 'demo/a'], 'demo/a')).toBe('demo/x → demo/a → demo/a → …')
  expect(chainText(['demo/a', 'demo/b'], 'demo/c')).toBe('demo/a → demo/b → demo/c')
  expect(tooDeep('demo/a', ['demo/a', 'demo/b'], 17, 16)).toMatchObject({
    code: 'depth_exceeded',
    message: 'Cannot call "demo/a": 17 calls deep (at most 16): demo/a → demo/b → demo/a → …',
    details: { limit: 'depth' },
  })
})

test('chainText() names at most one function twice, and never more than there are', () => {
  const name = fc.constantFrom('n/a', 'n/b', 'n/c', 'n/d')
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 16 }), name, (path, last) => {
      const told = chainText(path, last).split(' → ')
      const isCycle = told.at(-1) === '…'
      const names = isCycle ? told.slice(0, -1) : told
      expect([...path, last].slice(0, names.length)).toEqual(names)
      expect(names.length - new Set(names).size).toBeLessThanOrEqual(isCycle ? names.length - 1 : 0)
      expect(isCycle).toBe(new Set([...path, last]).size < path.length + 1)
    }),
  )
})

test('a path grows by whoever calls, and the caller’s own stays what it was', () => {
  const path = ['demo/a']
  expect(pathBelow({ path }, 'demo/b')).toEqual(['demo/a', 'demo/b'])
  expect(pathBelow({}, 'demo/b')).toEqual(['demo/b'])
  expect(path).toEqual(['demo/a'])
})
