// Whatever lands, is built, crashes, races, is pushed from outside or rolled back: the stable branch is moved only to commits
// that were tested as the policy demands, never backwards by itself, never while held; and what is not promoted has a reason.
import fc from 'fast-check'
import type {PromotionRule} from '../../../config/config.ts'
import {rollBack} from '../../../master/flow/rollback.ts'
import {runPromotions} from '../../../master/flow/promotions.ts'
import {scratchBranch} from '../../../master/core/promotion/order.ts'
import {standingControls} from '../../../master/world/store/controls.ts'
import type {Store} from '../../../master/world/store/store.ts'
import type {ExecutionContext} from 'ava'
import {onlyPostgres, withStore} from '../../support/database.ts'
import {addBuild, fastForward, gate, greenOf} from '../../support/promoting.ts'
import {openScene, sure} from '../../support/promotion-scene.ts'

type Happening =
  | {
      readonly what:
        'land' | 'revert' | 'hold' | 'release' | 'deny' | 'roll back' | 'go on outside' | 'take back outside'
    }
  | {
      readonly what: 'build'
      readonly commit: number
      readonly result: 'success' | 'failure' | 'warnings' | 'exception'
    }
  | {readonly what: 'look'; readonly dies: 'before' | 'after' | 'no'; readonly masters: number}

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {weight: 3, arbitrary: fc.constant({what: 'land' as const})},
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constant('build' as const),
      commit: fc.nat(3),
      result: fc.constantFrom(
        'success' as const,
        'success' as const,
        'success' as const,
        'failure' as const,
        'warnings' as const,
        'exception' as const,
      ),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      what: fc.constant('look' as const),
      dies: fc.constantFrom('no' as const, 'no' as const, 'no' as const, 'before' as const, 'after' as const),
      masters: fc.constantFrom(1, 1, 1, 3),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      what: fc.constantFrom(
        'revert' as const,
        'hold' as const,
        'release' as const,
        'release' as const,
        'deny' as const,
        'roll back' as const,
        'go on outside' as const,
        'take back outside' as const,
      ),
    }),
  },
)

/** Lets it all happen, and judges every move of the branch. */
async function play(
  t: ExecutionContext,
  store: Store,
  rule: PromotionRule,
  happenings: readonly Happening[],
) {
  await store.query(
    'TRUNCATE promotions, promotion_controls, promotion_gates, events, builds, requests, buildsets CASCADE',
  )
  const {repository, git, config, world, run, say, release, events} = await openScene(t, store, [rule])
  const scratch = scratchBranch(rule.name)
  const isAncestor = async (older: string, newer: string) => {
    await repository.git('fetch', '--quiet', 'origin')
    return await repository.git('merge-base', '--is-ancestor', older, newer).then(
      () => true,
      () => false,
    )
  }
  const isTested = async (revision: string) => {
    const [last] = await store.query<{result: string}>(
      `SELECT result FROM builds WHERE builder = 'gate' AND got_revision = $1 AND state = 'finished'
         AND result IN ('success', 'warnings', 'failure') ORDER BY finished_at DESC, id DESC LIMIT 1`,
      [revision],
    )
    return last?.result === 'success'
  }
  const look = async ({dies, masters}: Extract<Happening, {what: 'look'}>) => {
    const before = sure(await repository.tip('stable'))
    const isHeld = (await standingControls(store, [rule.name])).some(({kind}) => kind === 'hold')
    const die = async () => await Promise.reject(new Error('killed'))
    if (dies !== 'no') git[dies] = die
    const {whileHolding, ...alone} = world
    const reports =
      masters === 1
        ? [await run({}, {whileHolding})]
        : (
            await Promise.all(
              Array.from({length: masters}, () => runPromotions(alone, config, {actor: 'schedule'})),
            )
          ).flat()
    git.before = git.after = async () => {}
    const after = sure(await repository.tip('stable'))
    for (const {reasons} of reports)
      if (reasons.length === 0 || reasons.includes('')) throw new Error('a decision without a reason')
    if (after === before) return
    if (isHeld) throw new Error('a held rule moved its branch')
    if (!(await isAncestor(before, after))) throw new Error(`${before} to ${after} leaves something behind`)
    if (!(await isTested(after))) throw new Error(`${after} was not tested`)
  }
  const happen = async (each: Happening): Promise<void> => {
    switch (each.what) {
      case 'land':
        await repository.commit(`c${String(Math.random()).slice(2)}`)
        await repository.push('-f', 'main')
        return
      case 'revert': {
        await repository.git('revert', '--no-edit', 'main')
        await repository.push('-f', 'main')
        return
      }
      case 'build': {
        const under = rule.kind === 'gate' ? await repository.tip(scratch) : null
        const of =
          under ?? (await repository.git('rev-parse', `main~${String(each.commit)}`).catch(() => 'main'))
        const revision = await repository.git('rev-parse', of).catch(() => of)
        await addBuild(store, revision, each.result, under ? {branch: scratch, origin: 'promotion'} : {})
        return
      }
      case 'hold':
        await say({kind: 'hold', rule: rule.name})
        return
      case 'release':
        await release(rule.name)
        return
      case 'deny':
        await say({
          kind: 'denial',
          rule: rule.name,
          revision: await repository.git('rev-parse', 'main'),
          exact: true,
        })
        return
      case 'go on outside': {
        const tip = sure(await repository.tip('stable'))
        await repository.git('fetch', '--quiet', 'origin')
        await repository.git('checkout', '--quiet', '-B', 'fix', tip)
        await repository.commit(`f${String(Math.random()).slice(2)}`)
        await repository.push('fix:stable')
        await repository.git('checkout', '--quiet', 'main')
        return
      }
      case 'take back outside': {
        await repository.git('fetch', '--quiet', 'origin')
        const older = await repository.git('rev-parse', 'origin/stable~1').catch(() => null)
        if (older) await repository.push('-f', `${older}:refs/heads/stable`)
        return
      }
      case 'roll back': {
        const [last] = await store.query<{landed: string; to_tip: string}>(
          `SELECT landed, to_tip FROM promotions WHERE state = 'done' ORDER BY id DESC LIMIT 1`,
        )
        if (!last) return
        const order = {
          from: last.landed,
          to: last.to_tip,
          reason: 'x',
          deny: false,
          actor: {who: 'ann', address: null},
          role: 'operator' as const,
        }
        await rollBack(world, config, rule, order).catch((error: unknown) => {
          if ((error as Error).name !== 'RollbackRefused') throw error
        })
        return
      }
      case 'look':
        await look(each)
    }
  }
  for (const each of happenings) await happen(each)
  await look({what: 'look', dies: 'no', masters: 1})
  const told = (await events('branch.promoted')).map(({promotion}) => promotion)
  if (new Set(told).size !== told.length) throw new Error('a promotion was told twice')
  const left = await store.query(`SELECT id FROM promotions WHERE state = 'pushing'`)
  if (left.length > 0) throw new Error('a push was never settled')
  return told.length
}

const rules: readonly PromotionRule[] = [
  fastForward({green: greenOf({policy: 'newestGreen'})}),
  fastForward(),
  gate({name: 'landing'}),
]
for (const [n, rule] of rules.entries())
  onlyPostgres(
    `whatever happens, ${rule.kind} (${rule.green?.policy ?? ''}, ${String(n)}) moves its branch only to what was tested, and only forwards`,
    async (t, place) => {
      await withStore(t, place, async (store) => {
        let moved = 0
        await fc.assert(
          fc.asyncProperty(fc.array(happening, {minLength: 25, maxLength: 40}), async (happenings) => {
            moved += (await play(t, store, rule, happenings)) ?? 0
          }),
          {numRuns: Number(process.env['OSTLER_PROMOTION_RUNS'] ?? 4), endOnFailure: true},
        )
        t.log(`${String(moved)} promotions`)
      })
      t.pass()
    },
  )
