// Streams over a real socket: the event log, and a log as it grows.
import {record} from '../../../master/world/store/events.ts'
import {addBuild, eachFront, growLog, type Front} from './front.ts'

interface Happening {
  id: string
  event: string
  data: string
}

/** Opens a stream; `take(n)` waits for n more happenings. */
async function open(base: string, path: string, headers: Record<string, string> = {}) {
  const ending = new AbortController()
  const response = await fetch(`${base}${path}`, {headers, signal: ending.signal})
  const got: Happening[] = []
  const states: string[] = []
  let wake = () => {}
  let isOver = false
  const reading = (async () => {
    let rest = ''
    for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
      rest += Buffer.from(bytes).toString('utf8')
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const fields = Object.fromEntries(
          rest
            .slice(0, end)
            .split('\n')
            .map((line) => line.split(/: (.*)/s).slice(0, 2)),
        )
        rest = rest.slice(end + 2)
        if (fields['event'] === 'database') states.push(fields['data'] ?? '')
        else if (fields['event']) got.push(fields as Happening)
      }
      wake()
    }
  })()
    .catch(() => undefined)
    .finally(() => ((isOver = true), wake()))
  return {
    response,
    async take(count: number): Promise<Happening[]> {
      while (got.length < count && !isOver) await new Promise<void>((resolve) => (wake = resolve))
      return got.splice(0, count)
    },
    /** What the stream said of the database, which is no event of the log. */
    states,
    over: () => reading,
    end: () => ending.abort(),
  }
}
const happen = async (front: Front, worker: string) => {
  await front.store.transaction((tx) => record(tx, [{type: 'worker.connected', data: {worker}}]))
  front.bells.ring('events')
}

eachFront('events are told as they happen, and from where a reader was cut off', async (t, front) => {
  const base = await front.listen()
  await happen(front, 'before')
  const live = await open(base, '/api/v1/events')
  t.is(live.response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  await happen(front, 'one')
  await happen(front, 'two')
  const told = await live.take(2)
  t.deepEqual(
    told.map(({event, data}) => [event, (JSON.parse(data) as {worker: string}).worker]),
    [
      ['worker.connected', 'one'],
      ['worker.connected', 'two'],
    ],
  )
  t.deepEqual(live.states, ['{"state":"here"}'])
  live.end()
  await happen(front, 'three')
  for (const headers of [{'last-event-id': told[0]?.id ?? ''}, {}]) {
    const resumed = await open(
      base,
      `/api/v1/events${'last-event-id' in headers ? '' : `?after=${told[0]?.id}`}`,
      headers as Record<string, string>,
    )
    t.deepEqual(
      (await resumed.take(2)).map(({data}) => (JSON.parse(data) as {worker: string}).worker),
      ['two', 'three'],
    )
    resumed.end()
  }
  const all = await open(base, '/api/v1/events?after=0&types=worker.connected')
  t.is((await all.take(4)).length, 4)
  all.end()
  t.is((await fetch(`${base}/api/v1/events?after=x`)).status, 400)
  t.is((await fetch(`${base}/api/v1/events`, {headers: {origin: 'http://evil.example.org'}})).status, 403)
})

eachFront('closing the server ends its streams', async (t, front) => {
  const base = await front.listen()
  const stream = await open(base, '/api/v1/events')
  await front.app.close()
  await stream.over()
  t.pass()
})

eachFront('a log is followed as it grows, from any line, to its end', async (t, front) => {
  const base = await front.listen()
  const {log} = await addBuild(front, 'zero\none\ntw', {complete: false})
  const stream = await open(base, `/api/v1/logs/${log}/follow?from=1`)
  const parse = (happening: Happening | undefined) => JSON.parse(happening?.data ?? '{}') as object
  const [first] = await stream.take(1)
  t.deepEqual(parse(first), {from: 1, text: 'one\ntw', complete: false})
  await growLog(front, log, 'o\nthrée\n', false)
  front.bells.ring('logs')
  const rungAt = Date.now()
  t.deepEqual(parse((await stream.take(1))[0]), {from: 2, text: 'o\nthrée\n', complete: false})
  t.true(Date.now() - rungAt < 1000)
  await growLog(front, log, 'end', true)
  front.bells.ring('logs')
  t.deepEqual((await stream.take(2)).map(parse), [
    {from: 4, text: 'end', complete: false},
    {from: 4, text: '', complete: true},
  ])
  await stream.over()
  const resumed = await open(base, `/api/v1/logs/${log}/follow`, {'last-event-id': first?.id ?? ''})
  t.deepEqual(parse((await resumed.take(1))[0]), {from: 2, text: 'o\nthrée\n', complete: false})
  resumed.end()
  t.is((await front.ask({url: `/api/v1/logs/${log}/raw`})).body, 'zero\none\ntwo\nthrée\nend')
})
