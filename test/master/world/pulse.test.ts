import {setTimeout as sleep} from 'node:timers/promises'
import test from 'ava'
import {startPulse} from '../../../master/world/pulse.ts'
import {openStore} from '../../../master/world/store/database.ts'
import {whereIs} from '../../../master/world/store/reach.ts'
import {startCluster} from '../../support/cluster.ts'
import {needs} from '../../support/needs.ts'

const pace = {everyMs: 50, answerMs: 300}
const someTurnsMs = 1_500

needs('postgresql')(
  'the database loop goes round while the database is away, and stands still while its own connections are stuck',
  async (t) => {
    const cluster = await startCluster()
    t.teardown(() => cluster.stop())
    const store = await openStore({url: cluster.url, stateDir: '/nowhere'})
    t.teardown(() => store.close())
    const pulse = startPulse(store, cluster.url, pace)
    t.teardown(() => {
      pulse.stop()
    })
    const hasTurned = async () => {
      const before = pulse.turnedAt()
      await sleep(someTurnsMs)
      return pulse.turnedAt() > before + someTurnsMs / 3
    }
    t.true(await hasTurned())
    t.like(pulse.standing(), {workers: 0, building: 0, waiting: 0, skewed: 0})

    const stuck = Array.from({length: 10}, () => store.query('SELECT pg_sleep(4)'))
    await sleep(200)
    t.false(await hasTurned())
    await Promise.all(stuck)
    t.true(await hasTurned())

    const start = await cluster.halt()
    t.true(await hasTurned())
    t.is(pulse.standing(), null)
    await start()
    t.true(await hasTurned())
    t.not(pulse.standing(), null)
  },
)

const places: readonly (readonly [string | null, string])[] = [
  [null, 'the embedded database'],
  ['postgresql:///ostler?host=/var/run/postgresql', 'PostgreSQL on the local socket'],
  ['postgres://u:secret@%2Fvar%2Frun%2Fpostgresql/ostler', 'PostgreSQL on the local socket'],
  ['postgres://u:secret@db.example.org:5433/ostler', 'PostgreSQL at db.example.org'],
  ['/var/run/postgresql ostler', 'PostgreSQL on the local socket'],
]
for (const [url, words] of places)
  test(`people are told where a database is, and no secret: ${url ?? 'none'}`, (t) => {
    t.is(whereIs(url), words)
  })
