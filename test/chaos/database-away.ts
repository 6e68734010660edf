// The database goes away while builds run and others wait: what goes on, what is answered meanwhile, and what it all
// comes to once it is back. `npm run chaos -- --database-away SECONDS` does it for as long as one likes.
import {setTimeout as sleep} from 'node:timers/promises'
import {Fleet} from './fleet.ts'
import {judge, judgeEnd, type Verdict} from './judge.ts'
import {readSide} from './witness.ts'

export interface Away extends Verdict {
  readonly seconds: number
  readonly builds: number
  /** Steps that began and ended while the database was away. */
  readonly stepsMeanwhile: number
  /** Offers that were still open when it came back. */
  readonly openOffers: number
  /** Attempts that began while nothing could be dispatched. */
  readonly dispatchedMeanwhile: readonly string[]
  /** Requests that were not answered as they must be meanwhile. */
  readonly badAnswers: readonly string[]
  /** How long the slowest answer took meanwhile. */
  readonly slowestMs: number
  readonly faults: readonly string[]
}

export const awayFlaws = [
  'lost',
  'doubled',
  'wrongBytes',
  'zombies',
  'leaks',
  'dispatchedMeanwhile',
  'badAnswers',
  'faults',
] as const

const withinMs = 15_000
/** What is under way in the masters when the database goes. */
const lastWordsMs = 1_000

/** Takes the database away for so long from two masters with two workers each under load. */
export async function takeAway(awayMs: number, builds: number): Promise<Away> {
  const begun = performance.now()
  const fleet = await Fleet.start({masters: 2, workers: 4, buildsPerWorker: 3, missingTimeout: '10s'})
  try {
    const keys = Array.from({length: builds}, (_, n) => n + 1)
    for (const key of keys) await fleet.ask(key)
    await until(async () => stepsOf(fleet).size >= 6)
    // The hardest moment: an offer was made, and nobody wrote down yet that it was accepted.
    await until(
      async () => (await fleet.rows(`SELECT 1 FROM attempts WHERE state = 'offered'`)).length > 0,
      2,
    )
    const start = await fleet.haltDatabase()
    await sleep(lastWordsMs)
    const before = {steps: stepsOf(fleet), attempts: attemptsOf(fleet)}
    const answers = await answersFor(fleet, awayMs)
    const after = {steps: stepsOf(fleet), attempts: attemptsOf(fleet)}
    await start()
    const openOffers = (await fleet.rows(`SELECT 1 FROM attempts WHERE state = 'offered'`)).length
    await fleet.settled()
    const verdict = await judge(fleet, keys)
    const odd = await fleet.stop()
    const end = await judgeEnd(fleet)
    const lost = verdict.attemptsLost === 0 ? [] : [`${verdict.attemptsLost} attempts were lost`]
    const withdrawn = await fleet.rows<{id: string; state: string}>(
      `SELECT id, state FROM attempts WHERE state <> 'finished'`,
    )
    return {
      ...verdict,
      lost: [...verdict.lost, ...lost, ...withdrawn.map(({id, state}) => `attempt ${id} is ${state}`)],
      zombies: [...verdict.zombies, ...end.zombies],
      leaks: [...verdict.leaks, ...end.leaks],
      seconds: (performance.now() - begun) / 1000,
      builds,
      stepsMeanwhile: after.steps.size - before.steps.size,
      openOffers,
      dispatchedMeanwhile: [...after.attempts].filter((attempt) => !before.attempts.has(attempt)),
      badAnswers: answers.bad,
      slowestMs: answers.slowestMs,
      faults: [...fleet.faults, ...odd],
    }
  } finally {
    await fleet.end({isClean: true})
  }
}

/** Lets another program quarrel with the master over rows while builds run; answers the deadlocks that came of it. */
export async function quarrel(builds: number): Promise<Verdict & {readonly deadlocks: number}> {
  const fleet = await Fleet.start({masters: 1, workers: 2, buildsPerWorker: 4, missingTimeout: '30s'})
  try {
    const keys = Array.from({length: builds}, (_, n) => n + 1)
    for (const key of keys) await fleet.ask(key)
    const isOver = async () =>
      (await fleet.rows(`SELECT 1 FROM requests WHERE state <> 'finished' LIMIT 1`)).length === 0
    // The master locks an attempt, then its build.
    while (!(await isOver()))
      await fleet
        .transaction([
          `SELECT 1 FROM builds WHERE state <> 'finished' FOR UPDATE`,
          'SELECT pg_sleep(0.1)',
          `SELECT 1 FROM attempts WHERE state = 'running' FOR UPDATE`,
        ])
        .catch((error: unknown) => {
          if ((error as {code?: string}).code !== '40P01') throw error
        })
    await fleet.settled()
    const [row] = await fleet.rows<{deadlocks: number}>(
      'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
    )
    return {...(await judge(fleet, keys)), deadlocks: row?.deadlocks ?? 0}
  } finally {
    await fleet.end({isClean: true})
  }
}

const stepsOf = (fleet: Fleet) =>
  new Set(
    [...readSide(fleet.side)].flatMap(([key, attempts]) =>
      [...attempts.values()].flatMap((edges) => [...edges.keys()].map((edge) => `${key} ${edge}`)),
    ),
  )
const attemptsOf = (fleet: Fleet) =>
  new Set([...readSide(fleet.side).values()].flatMap((attempts) => [...attempts.keys()]))

/** Asks every master again and again for as long: each answer must come, and say how things are. */
async function answersFor(fleet: Fleet, forMs: number): Promise<{bad: string[]; slowestMs: number}> {
  const end = performance.now() + forMs
  const bad = new Set<string>()
  let slowestMs = 0
  const ask = async (path: string, fits: (status: number, text: string) => boolean, url: string) => {
    const at = performance.now()
    const said = await fetch(`${url}${path}`, {
      signal: AbortSignal.timeout(withinMs),
      headers: {authorization: `Bearer ${fleet.adminToken}`},
    })
      .then(async (answer) => ({status: answer.status, text: await answer.text()}))
      .catch((error: unknown) => ({status: 0, text: String(error)}))
    slowestMs = Math.max(slowestMs, performance.now() - at)
    if (!fits(said.status, said.text)) bad.add(`${path}: ${said.status} ${said.text.slice(0, 200)}`)
  }
  while (performance.now() < end) {
    await Promise.all(
      fleet.urls.flatMap((url) => [
        ask('/healthz', (status, text) => status === 503 && /database/.test(text), url),
        ask('/api/v1/builds', (status, text) => status === 200 || (status === 503 && isProblem(text)), url),
        ask('/api/v1/requests', (status, text) => status === 200 || (status === 503 && isProblem(text)), url),
        ask('/', (status) => status === 200 || status === 404, url),
      ]),
    )
    await sleep(Math.min(1_000, Math.max(0, end - performance.now())))
  }
  return {bad: [...bad], slowestMs: Math.round(slowestMs)}
}

const isProblem = (text: string): boolean => /"code":"database-away"/.test(text)

async function until(look: () => Promise<boolean>, everyMs = 50): Promise<void> {
  for (let tries = 0; !(await look()); tries++) {
    if (tries > 5000) throw new Error('no build began to run')
    await sleep(everyMs)
  }
}
