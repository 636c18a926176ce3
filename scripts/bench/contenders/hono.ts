/** Plain Hono on Node, in one process: what an application without isolation would be. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { greet, PATH } from '../subject.ts'

const app = new Hono().post(PATH, async (context) => {
  const [name, times] = await context.req.json<unknown[]>()
  return context.json(greet(name, times) as object)
})
serve({ fetch: app.fetch, port: Number(process.argv[2]), hostname: '127.0.0.1' })
