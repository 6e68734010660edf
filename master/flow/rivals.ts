// One worker, one session, whichever of the masters it dials. A worker that moved on leaves its old session behind: it
// is closed there. A second worker of the same name is refused while the first still answers; to know that, its master
// is asked through the database, and pings it.
import type {Hello} from '../../worker/protocol/messages.ts'
import type {Session} from '../world/desk.ts'
import type {SessionKey} from '../world/store/workers.ts'
import type {World} from '../world/world.ts'

export interface OpenSession extends SessionKey {
  readonly way: Session
}

/** Longer than a master takes to find out that a connection is dead, in milliseconds. */
const answerMs = 4_000
const slowTickMs = 500

/** Whether a worker of this name, but not the same one, is alive at another master. */
export async function hasRival({store, ledger, bells, master}: World, hello: Hello): Promise<boolean> {
  const {worker, instance = null} = hello
  if (!(await ledger.knock(store, {worker, instance, master}))) return false
  bells.ring('workers')
  const until = performance.now() + answerMs
  for (;;) {
    const answer = await ledger.knockAnswer(store, worker)
    if (answer !== null) return answer === 'alive'
    if (performance.now() > until) return false // its master does not answer either
    await rung(bells)
  }
}

function rung(bells: World['bells']): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      quiet()
      resolve()
    }
    const timer = setTimeout(done, slowTickMs)
    const quiet = bells.on('workers', done)
  })
}

/** Closes the sessions that have been taken over elsewhere, and answers other masters that ask after a worker. */
export async function tendRivals(world: World, open: readonly OpenSession[]): Promise<void> {
  const {store, ledger, bells, master} = world
  if (open.length === 0) return
  for (const worker of await ledger.superseded(store, open))
    open.find((each) => each.worker === worker)?.way.close(4000, 'a newer session of this worker')
  const asked = await ledger.knockedOn(store, master)
  await Promise.all(
    open
      .filter(({worker}) => asked.includes(worker))
      .map(async ({worker, way}) => {
        if (!(await way.isAlive())) return way.terminate() // its end is recorded by the door
        await ledger.answerKnock(store, master, worker)
        bells.ring('workers')
      }),
  )
}
