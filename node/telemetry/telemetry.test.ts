import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEvents, type EventMap } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { createLogger, logEvents, Metrics } from './index.ts'
import { prettyLine, visible, visibleJson } from './pretty.ts'

const finished = (code: EventMap['call.finished']['code'], wallMs: number, cold = 0): EventMap['call.finished'] => ({
  id: '0',
  namespace: 'demo',
  name: 'greet',
  meta: { version: 'a'.repeat(64), node: 'node-1', hops: 0, timing: { route: 0, queue: 0, cold, run: 1, cpu: 0.5 } },
  code,
  wallMs,
})

function metricsOf() {
  const events = createEvents()
  const metrics = new Metrics({
    events,
    node: 'node-1',
    probes: {
      inFlight: () => 3,
      members: () => 4,
      ledgerEntries: async () => 5,
      ledgerRefusals: () => ({ signature: 6 }),
      instances: () => 5,
      scaling: () => ({ wanted: 4, ready: 3, panics: 1 }),
      joinRefusals: () => ({ used_up: 7 }),
      quotas: () => [
        { namespace: 'demo', admitted: 8, refused: 9, cpuMs: 1500, used: { callsPerSecond: 0.25 } },
        { namespace: '(others)', admitted: 1, refused: 0, cpuMs: 0, used: {} },
      ],
    },
  })
  return { events, metrics }
}

describe('Metrics', () => {
  it('counts calls by code, before and after the first scrape', async () => {
    const { events, metrics } = metricsOf()
    events.emit('call.finished', finished(null, 2, 1))
    events.emit('call.finished', finished('function_failed', 700))
    expect(await metrics.text()).toContain('osiris_calls_total{code="ok",node="node-1"} 1')
    events.emit('call.finished', finished(null, 2))
    const text = await metrics.text()
    expect(text).toContain('osiris_calls_total{code="ok",node="node-1"} 2')
    expect(text).toContain('osiris_calls_total{code="function_failed",node="node-1"} 1')
    expect(text).toContain('osiris_cold_starts_total{node="node-1"} 1')
    expect(text).toMatch(/osiris_call_duration_seconds_bucket\{le="0.0025",node="node-1"\} 2/)
    expect(text).toMatch(/osiris_call_duration_seconds_count\{node="node-1"\} 3/)
    metrics.stop()
  })

  it('tells what the ledger refused, by reason', async () => {
    const { metrics } = metricsOf()
    expect(await metrics.text()).toContain('osiris_ledger_refusals_total{reason="signature",node="node-1"} 6')
    expect(await metrics.text()).toContain('osiris_join_refusals_total{reason="used_up",node="node-1"} 7')
    metrics.stop()
  })

  it('tells what came of quotas, by namespace, the same at each scrape', async () => {
    const { metrics } = metricsOf()
    await metrics.text()
    const text = await metrics.text()
    expect(text).toContain('osiris_quota_calls_total{namespace="demo",result="admitted",node="node-1"} 8')
    expect(text).toContain('osiris_quota_calls_total{namespace="demo",result="refused",node="node-1"} 9')
    expect(text).toContain('osiris_quota_cpu_seconds_total{namespace="demo",node="node-1"} 1.5')
    expect(text.match(/^osiris_quota_used_ratio.*$/gm)).toEqual([
      'osiris_quota_used_ratio{namespace="demo",limit="callsPerSecond",node="node-1"} 0.25',
    ])
    metrics.stop()
  })

  it('tells what calls cost, and which limits they met', async () => {
    const { events, metrics } = metricsOf()
    const coldParts = { artifact: 1, isolate: 2, compile: 0.2, first: 0.3 }
    const call = finished(null, 2, 4)
    events.emit('call.finished', { ...call, meta: { ...call.meta, timing: { ...call.meta.timing, coldParts }, peakMemoryBytes: 3e6 } })
    events.emit('limit.hit', { namespace: 'demo', name: 'greet', limit: 'cpu' })
    const text = await metrics.text()
    expect(text).toContain('osiris_cpu_seconds_total{namespace="demo",node="node-1"} 0.0005')
    expect(text).toMatch(/osiris_cold_start_seconds_bucket\{le="0.001",.*part="artifact".*\} 1/)
    expect(text).toMatch(/osiris_cold_start_seconds_bucket\{le="0.001",.*part="isolate".*\} 0/)
    expect(text).toMatch(/osiris_instance_memory_peak_bytes_bucket\{le="4194304",node="node-1"\} 1/)
    expect(text).toContain('osiris_limit_hits_total{limit="cpu",node="node-1"} 1')
    expect(text).toContain('osiris_limit_hits_total{limit="memory",node="node-1"} 0')
    expect(await metrics.text()).toContain('osiris_limit_hits_total{limit="cpu",node="node-1"} 1')
    metrics.stop()
  })

  it('counts what functions fetched, by code and direction', async () => {
    const { events, metrics } = metricsOf()
    const request = { id: '', namespace: 'demo', name: 'f', version: '', host: 'a', address: '1.1.1.1', port: 443, ms: 1 }
    events.emit('function.egress', { ...request, status: 200, code: null, bytesIn: 10, bytesOut: 3 })
    for (let round = 0; round < 2; round++)
      events.emit('function.egress', { ...request, status: null, code: 'egress_denied', bytesIn: 1, bytesOut: 0 })
    await metrics.text()
    const text = await metrics.text()
    expect(text).toContain('osiris_egress_requests_total{code="ok",node="node-1"} 1')
    expect(text).toContain('osiris_egress_requests_total{code="egress_denied",node="node-1"} 2')
    expect(text).toContain('osiris_egress_bytes_total{direction="in",node="node-1"} 12')
    expect(text).toContain('osiris_egress_bytes_total{direction="out",node="node-1"} 3')
    metrics.stop()
  })

  it('has at most a hundred namespaces as labels, however many call', async () => {
    const { events, metrics } = metricsOf()
    for (let i = 0; i < 500; i++) events.emit('call.finished', { ...finished(null, 2), namespace: `n${i}` })
    const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('osiris_cpu_seconds_total{'))
    expect(lines).toHaveLength(101)
    expect(lines.at(-1)).toMatch(/namespace="\(others\)".* 0\.2/)
    metrics.stop()
  })

  it('tells what is so at the moment of the scrape', async () => {
    const { events, metrics } = metricsOf()
    events.emit('worker.started', { namespace: 'demo', pid: 1 })
    events.emit('worker.ended', { namespace: 'demo', pid: 1, reason: 'memory' })
    await metrics.text()
    events.emit('worker.started', { namespace: 'demo', pid: 2 })
    const text = await metrics.text()
    for (const line of ['osiris_calls_in_flight', 'osiris_members', 'osiris_ledger_entries'].map(
      (name, i) => `${name}{node="node-1"} ${i + 3}`,
    )) {
      expect(text).toContain(line)
    }
    expect(text).toContain('osiris_workers_started_total{node="node-1"} 2')
    expect(text).toContain('osiris_workers_ended_total{node="node-1"} 1')
    expect(text).toContain('process_cpu_user_seconds_total')
    expect(text).toMatch(/^osiris_event_loop_held_seconds\{node="node-1"\} \d/m)
    metrics.stop()
  })

  it('loses no call when many end before anybody looks', async () => {
    const { events, metrics } = metricsOf()
    for (let i = 0; i < 20_000; i++) events.emit('call.finished', finished(null, 1))
    expect(await metrics.text()).toContain('osiris_calls_total{code="ok",node="node-1"} 20000')
    metrics.stop()
  })

  it('hears nothing after stop()', async () => {
    const { events, metrics } = metricsOf()
    metrics.stop()
    expect(events.has('call.finished')).toBe(false)
  })
})

describe('createLogger()', () => {
  const record = (level: 'debug' | 'info' | 'silent', pretty: boolean) => {
    const lines: string[] = []
    return { lines, logger: createLogger({ level, name: 'node-1', pretty, write: (line) => void lines.push(line) }) }
  }

  it('writes one JSON object per line, from the level on', () => {
    const { lines, logger } = record('info', false)
    logger.debug('not this')
    logger.warn('this', { room: 'http' })
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
      { level: 'warn', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/), name: 'node-1', room: 'http', msg: 'this' },
    ])
  })

  it('writes what rooms and functions tell, until it is told to stop', () => {
    const { lines, logger } = record('debug', false)
    const events = createEvents()
    const stop = logEvents(events, logger, systemClock)
    events.emit('log', { level: 'error', room: 'http', text: 'broken', data: { code: 'internal' } })
    events.emit('function.log', {
      id: 'c1',
      namespace: 'demo',
      name: 'greet',
      version: 'a'.repeat(64),
      level: 'info',
      text: 'x'.repeat(20_000),
      atMs: 0,
    })
    stop()
    events.emit('log', { level: 'error', room: 'http', text: 'unheard' })
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'error', room: 'http', msg: 'broken', code: 'internal' })
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ function: 'demo/greet', call: 'c1' })
    expect(lines[1]?.length).toBeLessThan(9_000)
  })

  it('writes one line a person can read', () => {
    const { lines, logger } = record('info', true)
    logger.info('Listening', { room: 'http', port: 4747 })
    // oxlint-disable-next-line no-control-regex
    expect(lines.join('').replaceAll(/\u001b\[\d+m/g, '')).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}node-1 http Listening port=4747\n$/)
  })
})

describe('prettyLine()', () => {
  it('lets nothing through that steers a terminal', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => !/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(visible(text))))
    const line = prettyLine({ level: 'info', time: '2026-11-22T12:00:00.000Z', name: 'n', msg: 'a\u001b[2Jb\r\nc\u202e' })
    expect(line).toContain('a\\u001b[2Jb\\u000d\\u000ac\\u202e')
  })
})

describe('visibleJson()', () => {
  it('escapes what splits or turns a line, and changes no value', () => {
    const nasty = fc.string({
      unit: fc.oneof(fc.constantFrom('\u202e', '\u2028', '\u0085', '\u{e0001}', '\ufeff', '"', '\\', '\n'), fc.constant('x')),
    })
    fc.assert(
      fc.property(nasty, (text) => {
        const line = visibleJson(`${JSON.stringify({ msg: text })}\n`)
        expect(line).not.toMatch(/[\p{Cf}\u007f-\u009f\u2028\u2029]/u)
        expect(JSON.parse(line)).toEqual({ msg: text })
        expect(line.indexOf('\n')).toBe(line.length - 1)
      }),
    )
  })
})
