import { expect, it } from 'vitest'
import { waysToReach } from './reaching.ts'

const site = { namespace: 'demo', name: 'site', routes: ['GET /ping', '/any/*', 'GET,POST shop.example.org/*'] }

it('what was deployed is told with lines to paste: the call, the host name, the routes', () => {
  const text = waysToReach([site], 'http://127.0.0.1:4748')
  expect(text).toContain('npx osiris call demo/site  ')
  expect(text).toContain(
    'http://site.demo.localhost:4748/  GET http://127.0.0.1:4748/ping  http://127.0.0.1:4748/any/*  GET,POST shop.example.org/*',
  )
})

it('a node elsewhere has no name that resolves by itself: the path is told', () => {
  expect(waysToReach([site], 'https://osiris.example.org/')).toContain(
    'https://osiris.example.org/v1/fetch/demo/site/  GET https://osiris.',
  )
})
