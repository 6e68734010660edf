// The guards of the river: who may write what of an attempt, in which order it is acknowledged, and who holds a lease.
import type {Guard} from '../guard.ts'

const attempts = 'master/world/store/attempts.ts'
const ends = 'master/world/store/ends.ts'
const leases = 'master/world/store/leases.ts'
const builds = 'master/flow/builds.ts'
const buildsTest = 'test/master/flow/builds.test.ts'
const fencingTest = 'test/master/flow/fencing.test.ts'
const leasesTest = 'test/master/world/store/leases.test.ts'
const requestsTest = 'test/master/world/store/requests.test.ts'

export const masterGuards: readonly Guard[] = [
  {
    name: 'fencing-reading',
    without: 'a worker goes on to report an attempt that was given up, and is not told to stop',
    file: attempts,
    changes: [
      {
        text: "b.id = a.build_id AND b.attempt = a.id AND b.state <> 'finished'\n     LEFT JOIN",
        instead: 'b.id = a.build_id LEFT JOIN',
      },
      {
        text: "WHERE a.id = ANY($1::bigint[]) AND a.state IN ('offered', 'running')`,\n    [ids],",
        instead: 'WHERE a.id = ANY($1::bigint[])`, [ids],',
      },
    ],
    test: buildsTest,
    title: 'an attempt that is not effective any more is told to stop, and changes nothing',
    on: 'PostgreSQL',
  },
  {
    name: 'fencing-writing',
    without: 'an attempt that is given up between reading and writing still ends its build',
    file: attempts,
    changes: [
      {
        text: "AND a.state IN ('offered', 'running')\n       AND b.id = a.build_id AND b.attempt = a.id AND b.state <> 'finished' RETURNING",
        instead: 'AND b.id = a.build_id RETURNING',
      },
    ],
    test: fencingTest,
    title: 'an attempt that is given up between reading and writing changes nothing',
    on: 'PostgreSQL',
  },
  {
    name: 'ended-stays-ended',
    without: 'an attempt that ends while it is being given up is told to be lost',
    file: ends,
    changes: [
      {
        text: "WHERE id = ANY($1::bigint[]) AND state IN ('offered', 'running') RETURNING id, build_id",
        instead: 'WHERE id = ANY($1::bigint[]) RETURNING id, build_id',
      },
    ],
    test: fencingTest,
    title: 'an attempt that ended while it was being given up stays as it ended',
    on: 'PostgreSQL',
  },
  {
    name: 'applied-once',
    without: 'two masters apply the same entries of an attempt that has moved from one to the other',
    file: attempts,
    changes: [{text: 'AND a.applied = c.applied AND', instead: 'AND'}],
    test: fencingTest,
    title: 'what another master applied meanwhile is not applied again',
    on: 'PostgreSQL',
  },
  {
    name: 'acknowledged-after-commit',
    without: 'a worker forgets entries whose commit then fails',
    file: builds,
    changes: [
      {
        text: '  const standing = await world.store.transaction(async (tx) => {\n    await world.ledger.accept(tx, accepted)',
        instead: `  for (const {state, applied} of changes)
    sessions.tell(state.worker, {say: 'applied', attempt: state.attempt, upTo: applied})
  const standing = await world.store.transaction(async (tx) => {
    await world.ledger.accept(tx, accepted)`,
      },
    ],
    test: fencingTest,
    title: 'a worker is told applied only when it is committed',
    on: 'PostgreSQL',
  },
  {
    name: 'put-back',
    without: 'what could not be recorded is lost to this master until its worker dials again',
    file: builds,
    changes: [{text: '    sessions.putBack(batch)\n', instead: ''}],
    test: fencingTest,
    title: 'a worker is told applied only when it is committed',
    on: 'PostgreSQL',
  },
  {
    name: 'sent-twice',
    without: 'entries that were applied and come again are taken for a hole, or have their effect twice',
    file: 'master/core/apply.ts',
    changes: [{text: 'if (numbered.seq <= changes.applied) continue', instead: ''}],
    test: 'test/master/core/apply.test.ts',
    title: 'entries sent again change nothing',
  },
  {
    name: 'no-hole',
    without: 'entries after a missing one are applied, and the missing one never is',
    file: 'master/core/apply.ts',
    changes: [{text: 'if (numbered.seq !== changes.applied + 1)', instead: 'if (numbered.seq < 0)'}],
    test: buildsTest,
    title: 'a journal with a hole is not applied, and the session begins anew',
    on: 'PostgreSQL',
  },
  {
    name: 'log-rows-as-read',
    without: 'a master that was slow writes log bytes where another has written on',
    file: attempts,
    changes: [{text: 'ON a.id = w.attempt AND a.applied = w.applied', instead: 'ON a.id = w.attempt'}],
    test: buildsTest,
    title: 'what an old master still holds of an attempt that moved on is not written',
    on: 'PostgreSQL',
  },
  {
    name: 'log-rows-are-ours',
    without: 'log bytes are passed over while another master is just making the row of their log',
    file: builds,
    changes: [
      {
        text: 'if ([...change.logs.values()].every((log) => rows.has(rowKey(change, log)))) return true',
        instead: 'if (rows.size >= 0) return true',
      },
    ],
    test: fencingTest,
    title: 'a log whose row another master is just making is not passed over',
    on: 'PostgreSQL',
  },
  {
    name: 'refused-is-told',
    without: 'a worker waits for ever for the acknowledgement of entries that were refused in writing',
    file: builds,
    changes: [{text: '    else sessions.resync(state.worker, elsewhere)\n', instead: ''}],
    test: fencingTest,
    title: 'a worker whose entries are refused in writing dials again, and none is missing',
    on: 'PostgreSQL',
  },
  {
    name: 'superseded-session',
    without: 'what an older session of a worker still says is recorded beside what the newer one says',
    file: 'master/flow/sessions.ts',
    changes: [
      {
        text: 'if (connected?.number !== session) return //',
        instead: 'if (!connected) return //',
      },
    ],
    test: fencingTest,
    title: 'what an older session of a worker still says does not count, nor does its end',
    on: 'PostgreSQL',
  },
  {
    name: 'superseded-detach',
    without: 'the end of an older session makes its worker look away while the newer one is there',
    file: 'master/world/store/workers.ts',
    changes: [
      {
        text: 'ON e.name = w.name AND e.session = w.session\n       WHERE w.master',
        instead: 'ON e.name = w.name\n       WHERE w.master',
      },
    ],
    test: fencingTest,
    title: 'what an older session of a worker still says does not count, nor does its end',
    on: 'PostgreSQL',
  },
  {
    name: 'terminal-result',
    without: 'a build that has ended ends again, otherwise',
    file: ends,
    changes: [
      {text: "WHERE builds.id = n.id AND builds.state <> 'finished'", instead: 'WHERE builds.id = n.id'},
    ],
    test: fencingTest,
    title: 'the result of a build never changes, nor is it told twice',
    on: 'PostgreSQL',
  },
  {
    name: 'claim-pending',
    without: 'a request that another master has just claimed is claimed again',
    file: 'master/world/store/requests.ts',
    changes: [
      {
        text: "WHERE r.id = ANY($1::bigint[]) AND r.state = 'pending' ORDER BY r.id FOR UPDATE",
        instead: 'WHERE r.id = ANY($1::bigint[]) ORDER BY r.id FOR UPDATE',
      },
    ],
    test: requestsTest,
    title: 'a request that was claimed meanwhile is not claimed again',
    on: 'PostgreSQL',
  },
  {
    name: 'claim-lock',
    without: 'two masters claim one request at the same moment',
    file: 'master/world/store/requests.ts',
    changes: [{text: 'ORDER BY r.id FOR UPDATE OF r SKIP LOCKED', instead: 'ORDER BY r.id'}],
    test: requestsTest,
    title: 'what another master is just claiming is passed over, without waiting',
    on: 'PostgreSQL',
  },
  {
    name: 'claim-skip-locked',
    without: 'a master that is slow to claim holds up the others',
    file: 'master/world/store/requests.ts',
    changes: [{text: 'FOR UPDATE OF r SKIP LOCKED', instead: 'FOR UPDATE OF r'}],
    test: requestsTest,
    title: 'what another master is just claiming is passed over, without waiting',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-expiry',
    without: 'a lease is taken from a holder whose time is not over',
    file: leases,
    changes: [{text: 'WHERE held.until <= clock_timestamp()\n', instead: '\n'}],
    test: leasesTest,
    title: 'a lease is refused to everybody until it ends, and each taking has a greater fence',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-fence-grows',
    without: 'an earlier holder cannot be told from a later one of the same name',
    file: leases,
    changes: [{text: 'fence = held.fence + 1', instead: 'fence = held.fence'}],
    test: leasesTest,
    title: 'a lease is refused to everybody until it ends, and each taking has a greater fence',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-release',
    without: 'after each piece of work the next one waits for the end of the lease',
    file: leases,
    changes: [{text: 'SET until = clock_timestamp() WHERE', instead: 'SET until = until WHERE'}],
    test: leasesTest,
    title: 'a lease that is renewed in time stays, and one given back is free at once',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-release-own',
    without: 'a holder of yesterday gives back what another holds today',
    file: leases,
    changes: [
      {
        text: 'WHERE name = $1 AND holder = $2 AND fence = $3`,\n',
        instead: 'WHERE name = $1 AND $2::text IS NOT NULL AND $3::bigint IS NOT NULL`,\n',
      },
    ],
    test: leasesTest,
    title: 'a lease that is renewed in time stays, and one given back is free at once',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-given-back',
    without: 'work under a lease ends without giving it back',
    file: 'master/world/store/holding.ts',
    changes: [{text: 'await releaseLease(store, lease).catch(() => undefined)', instead: ''}],
    test: leasesTest,
    title: 'work under a lease gives it back, whether it ends well or not',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-held',
    without: 'a master that slept through its lease acts',
    file: leases,
    changes: [{text: 'if (rows.length === 0) throw new LeaseLost(lease)', instead: ''}],
    test: leasesTest,
    title: 'a holder that slept through its lease is refused in the transaction that acts',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-held-in-time',
    without: 'a master acts after its lease is over, as long as nobody took it',
    file: leases,
    changes: [{text: 'AND until > clock_timestamp() FOR SHARE', instead: 'FOR SHARE'}],
    test: leasesTest,
    title: 'a holder that slept through its lease is refused in the transaction that acts',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-held-fence',
    without: 'a master that took its lease again acts by the earlier taking',
    file: leases,
    changes: [
      {
        text: 'AND fence = $3 AND until > clock_timestamp() FOR SHARE',
        instead: 'AND $3::bigint IS NOT NULL AND until > clock_timestamp() FOR SHARE',
      },
    ],
    test: leasesTest,
    title: 'a master that took its lease again does not act by the earlier taking',
    on: 'PostgreSQL',
  },
  {
    name: 'lease-held-until-commit',
    without: 'a lease passes to another while a transaction still acts on it',
    file: leases,
    changes: [{text: 'until > clock_timestamp() FOR SHARE', instead: 'until > clock_timestamp()'}],
    test: leasesTest,
    title: 'nobody takes a lease while a transaction acts on it, even when its time ends meanwhile',
    on: 'PostgreSQL',
  },
  {
    name: 'event-commit-order',
    without: 'a reader steps over an event whose transaction commits late, and never sees it',
    file: 'master/world/store/migrations/0001-first.sql.ts',
    changes: [{text: 'settled := least(newest, lowest);', instead: 'settled := newest;'}],
    test: 'test/master/world/store/events.test.ts',
    title: 'a reader never steps over an event whose transaction commits late',
    on: 'PostgreSQL',
  },
  {
    name: 'embedded-lock',
    without: 'two masters write to one embedded database and destroy it',
    file: 'master/world/store/lock.ts',
    changes: [{text: 'if (!locked(file)) throw', instead: 'if (!locked(file) && file < 0) throw'}],
    test: 'test/master/world/store/embedded.test.ts',
    title: 'a second master is refused while the first lives, and takes over when it was killed',
    on: 'embedded',
  },
]
