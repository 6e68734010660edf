// As many seeds as fit into some seconds, and the proof that the simulation finds what it is there to find.
import test from 'ava'
import {allGuards} from './model/attempts.ts'
import {simulate} from './main.ts'
import {runSeed, type SeedOptions, type Verdict} from './seed.ts'

/** How long the seeds of one test run may take, in milliseconds; how many that is depends on the machine. */
const budgetMs = 20_000
const seedsLeast = 30
/** Of the broken worlds at least one of this many seeds must tell. */
const enough = 150

// One world at a time: each makes the process's clocks its own.
test.serial('every promise is kept through storms of crashes, cuts, freezes and lost answers', async (t) => {
  const from = 1
  const until = Date.now() + budgetMs
  let seeds = 0
  for (; seeds < seedsLeast || Date.now() < until; seeds++) {
    const verdict = await runSeed(from + seeds)
    if (verdict.broken) t.log(verdict.tail.join('\n'))
    t.is(verdict.broken, null, `replay it: npm run simulate -- --seed ${from + seeds}`)
  }
  t.log(`${seeds} seeds`)
})

test.serial('the same seed gives the same trace, and another seed another', async (t) => {
  const hash = async (seed: number) => (await runSeed(seed)).hash
  for (const seed of [3, 14, 159]) t.is(await hash(seed), await hash(seed))
  t.not(await hash(3), await hash(4))
})

test('words that mean nothing are refused', async (t) => {
  t.is(await simulate(['--seeds', '0']), 2)
  t.is(await simulate(['--sed', '3']), 2)
})

/** The first seed that tells what is wrong with a world that lacks something. */
async function firstBroken(options: SeedOptions): Promise<Verdict | null> {
  for (let seed = 1; seed <= enough; seed++) {
    const verdict = await runSeed(seed, options)
    if (verdict.broken) return verdict
  }
  return null
}

const holes: readonly [string, SeedOptions, RegExp][] = [
  [
    'without the check of the fencing number it is told that an attempt has effects that is not effective',
    {guards: {...allGuards, effective: false}},
    /^I[27]/,
  ],
  [
    'without the check of what was applied meanwhile it is told that entries are applied out of order',
    // Two masters at once: one is slow, and its worker moves on to the other.
    {guards: {...allGuards, applied: false}, troubles: ['slowMaster']},
    /^(I[23]|nobody complains)/,
  ],
  [
    'with acknowledgements of what was not committed it is told so',
    {lyingCommit: 0.02},
    /^an acknowledgement follows its commit/,
  ],
]
for (const [truth, options, promise] of holes)
  test.serial(truth, async (t) => {
    const verdict = await firstBroken(options)
    t.regex(verdict?.broken?.promise ?? `nothing in ${enough} seeds`, promise)
  })
