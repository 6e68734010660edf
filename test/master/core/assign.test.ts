import test from 'ava'
import fc from 'fast-check'
import type {Builder} from '../../../config/config.ts'
import {builderNamed as builder} from '../../support/builders.ts'
import {assign, freeBytesFloor} from '../../../master/core/assign.ts'
import type {PendingRequest, Scene, WorkerState} from '../../../master/core/assign.ts'

const worker = (name: string, more: Partial<WorkerState> = {}): WorkerState => ({
  name,
  labels: {},
  maxBuilds: 1,
  running: 0,
  engine: null,
  connected: true,
  here: true,
  paused: null,
  draining: null,
  freeBytes: null,
  minFreeBytes: null,
  hindered: null,
  quarantine: null,
  skewMs: 0,
  ...more,
})

const request = (id: number, of: string, more: Partial<PendingRequest> = {}): PendingRequest => ({
  id: String(id),
  builder: of,
  submittedAt: id,
  notBefore: null,
  waiting: [],
  isBegun: false,
  stampKey: 'r main',
  ...more,
})

const scene = (requests: PendingRequest[], builders: Builder[], workers: WorkerState[]): Scene => ({
  requests,
  builders: new Map(builders.map((one) => [one.name, {builder: one, paused: null}])),
  workers,
  hindrance: null,
  now: 1000,
})

const reasons: readonly [string, Scene, string][] = [
  ['a request whose builder is gone says so', scene([request(1, 'gone')], [], [worker('w')]), 'no-builder'],
  [
    'a request waits for a worker that has ever connected',
    scene([request(1, 'b')], [builder('b')], []),
    'no-worker',
  ],
  [
    'a request waits for the labels it needs',
    scene(
      [request(1, 'b')],
      [builder('b', {requires: {arch: 'arm64'}})],
      [worker('w', {labels: {arch: 'amd64'}})],
    ),
    'label',
  ],
  [
    'a container build waits for an engine',
    scene(
      [request(1, 'b')],
      [
        builder('b', {
          container: {image: 'i', memoryBytes: null, cpus: null, pids: null, network: null, user: null},
        }),
      ],
      [worker('w')],
    ),
    'engine',
  ],
  [
    'a request waits for a busy worker',
    scene([request(1, 'b')], [builder('b')], [worker('w', {running: 1})]),
    'busy',
  ],
  [
    'a request waits for a worker that is away',
    scene([request(1, 'b')], [builder('b')], [worker('w', {connected: false})]),
    'offline',
  ],
  [
    'a paused worker gets no work, and its reason is told',
    scene([request(1, 'b')], [builder('b')], [worker('w', {paused: {by: 'ann', reason: 'new disk'}})]),
    'paused',
  ],
  [
    'a drained worker gets no work',
    scene([request(1, 'b')], [builder('b')], [worker('w', {draining: {by: 'ann', reason: 'upgrade'}})]),
    'draining',
  ],
  [
    'a worker short of disk gets no work',
    scene([request(1, 'b')], [builder('b')], [worker('w', {freeBytes: freeBytesFloor - 1})]),
    'disk',
  ],
  [
    'a worker that is hindered by something of its own gets no work',
    scene([request(1, 'b')], [builder('b')], [worker('w', {hindered: 'too few file descriptors'})]),
    'hindered',
  ],
  [
    'a master that is hindered by something of its own starts nothing, and says so',
    {...scene([request(1, 'b')], [builder('b')], [worker('w')]), hindrance: 'too few file descriptors'},
    'master',
  ],
  [
    'a request waits until its time',
    scene([request(1, 'b', {notBefore: 2000})], [builder('b')], [worker('w')]),
    'not-before',
  ],
  [
    'only the master that has the session offers work',
    scene([request(1, 'b')], [builder('b')], [worker('w', {here: false})]),
    'elsewhere',
  ],
]
for (const [truth, given, code] of reasons)
  test(truth, (t) => {
    const {assignments, waiting} = assign(given)
    t.deepEqual(assignments, [])
    t.is(waiting.get('1')?.[0]?.code, code)
  })

test('room at a worker of another master is counted as taken, so that all masters give the same reasons', (t) => {
  const requests = [request(1, 'b'), request(2, 'b'), request(3, 'b')]
  const seenBy = (master: string) =>
    assign(
      scene(
        requests,
        [builder('b')],
        ['v', 'w'].map((name) => worker(name, {maxBuilds: 1, here: name === master})),
      ),
    )
  const busy = ['v is busy (1 at once)', 'w is busy (1 at once)']
  for (const master of ['v', 'w']) {
    const {assignments, waiting} = seenBy(master)
    t.deepEqual(assignments, [{request: '1', worker: master}])
    t.is(waiting.get('2')?.[0]?.code, 'elsewhere')
    t.deepEqual(
      waiting.get('3')?.map(({text}) => text),
      busy,
    )
  }
})

test('a worker’s own limit of free disk stands over the usual one', (t) => {
  const {assignments} = assign(
    scene([request(1, 'b')], [builder('b')], [worker('w', {freeBytes: 1000, minFreeBytes: 999})]),
  )
  t.is(assignments.length, 1)
})

test('a request that cannot run does not hold up one behind it', (t) => {
  const {assignments} = assign(
    scene(
      [request(1, 'arm'), request(2, 'any')],
      [builder('arm', {requires: {arch: 'arm64'}}), builder('any')],
      [worker('w')],
    ),
  )
  t.deepEqual(assignments, [{request: '2', worker: 'w'}])
})

test('work goes to the worker with most room', (t) => {
  const {assignments} = assign(
    scene(
      [request(1, 'b')],
      [builder('b')],
      [worker('full', {maxBuilds: 4, running: 3}), worker('free', {maxBuilds: 4, running: 1})],
    ),
  )
  t.deepEqual(assignments, [{request: '1', worker: 'free'}])
})

test('older requests of a collapsing builder give way to the newest of their branch', (t) => {
  const {collapsed, assignments} = assign(
    scene(
      [request(1, 'b'), request(2, 'b'), request(3, 'b', {stampKey: 'r other'})],
      [builder('b', {collapseRequests: true})],
      [worker('w', {maxBuilds: 5})],
    ),
  )
  t.deepEqual([...collapsed], [['1', '2']])
  t.deepEqual(
    assignments.map((one) => one.request),
    ['2', '3'],
  )
})

test('a request that has begun gives way to no other: it is tried again', (t) => {
  const {collapsed, assignments} = assign(
    scene(
      [request(1, 'b'), request(2, 'b', {isBegun: true}), request(3, 'b')],
      [builder('b', {collapseRequests: true})],
      [worker('w', {maxBuilds: 5})],
    ),
  )
  t.deepEqual([...collapsed], [['1', '2']])
  t.deepEqual(
    assignments.map((one) => one.request),
    ['2', '3'],
  )
})

test('no worker is ever given more than it takes, and every request is assigned or says why not', (t) => {
  const states = fc.array(
    fc.record({
      maxBuilds: fc.integer({min: 1, max: 4}),
      running: fc.integer({min: 0, max: 5}),
      connected: fc.boolean(),
    }),
    {maxLength: 5},
  )
  fc.assert(
    fc.property(states, fc.integer({min: 0, max: 30}), (workers, count) => {
      const requests = Array.from({length: count}, (_, n) => request(n + 1, 'b'))
      const given = scene(
        requests,
        [builder('b')],
        workers.map((one, n) => worker(`w${String(n)}`, one)),
      )
      const {assignments, waiting} = assign(given)
      for (const one of given.workers) {
        const got = assignments.filter((assignment) => assignment.worker === one.name).length
        if (got > 0 && (!one.connected || one.running + got > one.maxBuilds)) return false
      }
      return requests.every(
        ({id}) => assignments.some((one) => one.request === id) !== (waiting.get(id)?.length ?? 0) > 0,
      )
    }),
  )
  t.pass()
})

test('a worker kept away, or whose clock is off, gets nothing and says so', (t) => {
  const why = (more: Partial<WorkerState>) =>
    assign(scene([request(1, 'b')], [builder('b')], [worker('w', more)])).waiting.get('1')
  t.deepEqual(why({quarantine: {reason: '3 failures in a row', until: '2026-01-01T00:00:00.000Z'}}), [
    {code: 'quarantine', text: 'w is kept away until 2026-01-01T00:00:00.000Z: 3 failures in a row'},
  ])
  t.deepEqual(why({skewMs: -90_000}), [{code: 'clock', text: 'w’s clock is 90 s behind'}])
  t.is(why({skewMs: 59_000}), undefined)
})
