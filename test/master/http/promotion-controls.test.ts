// What people say to promotion rules over the API: who may, that it is audited, told as events, and over when it is over.
import type {Decision, Promotion, PromotionControl} from '../../../master/http/shapes.ts'
import {eachFront, type Front} from './front.ts'

const revision = 'a1'.repeat(20)
const said = async (
  front: Front,
  verb: string,
  payload: object,
  as: 'developer' | 'operator' | 'admin' = 'operator',
) => {
  const answer = await front.ask({method: 'POST', url: `/api/v1/promotions/stable/${verb}`, payload, as})
  return {status: answer.statusCode, ...answer.json<{items?: PromotionControl[]; code?: string}>()}
}
const standing = async (front: Front) =>
  (await front.ask({url: '/api/v1/promotions', as: 'viewer'})).json<{items: Promotion[]}>().items[0]
    ?.controls ?? []
const audited = async (front: Front) =>
  (await front.store.query<{who: string; action: string}>('SELECT who, action FROM audit ORDER BY id')).map(
    ({who, action}) => `${who} ${action}`,
  )
const events = (front: Front) =>
  front.store.query<{type: string; data: Record<string, string>}>(
    `SELECT type, data FROM events WHERE type LIKE 'promotion.%' ORDER BY id`,
  )

eachFront(
  'a hold and its release are kept with who and why, told as events, and shown while they stand',
  async (t, front) => {
    const held = await said(front, 'hold', {reason: 'release day'})
    t.is(held.status, 200)
    t.like(held.items?.[0], {
      kind: 'hold',
      rule: 'stable',
      reason: 'release day',
      role: 'operator',
      until: null,
    })
    t.like(await standing(front), [{kind: 'hold'}])
    const ended = await said(front, 'release', {reason: 'it is out'})
    t.like(ended.items?.[0], {id: held.items?.[0]?.id, endedReason: 'it is out'})
    t.deepEqual(await standing(front), [])
    t.like(await events(front), [
      {type: 'promotion.held', data: {rule: 'stable', reason: 'release day'}},
      {type: 'promotion.released', data: {rule: 'stable', reason: 'it is out'}},
    ])
    t.like(await said(front, 'release', {reason: 'again'}), {status: 409, code: 'not-held'})
    const all = (await front.ask({url: '/api/v1/promotions/stable/controls', as: 'viewer'})).json<{
      items: unknown[]
    }>()
    t.is(all.items.length, 1)
  },
)

eachFront(
  'case 42: lifting a freeze takes an administrator, a reason and an end, and is audited',
  async (t, front) => {
    const order = {reason: 'a fix that cannot wait', forSeconds: 3600}
    t.is((await said(front, 'unfreeze', order, 'operator')).status, 403)
    t.is((await said(front, 'unfreeze', {forSeconds: 60}, 'admin')).status, 422)
    t.is((await said(front, 'unfreeze', {reason: 'x'}, 'admin')).status, 422)
    const lifted = await said(front, 'unfreeze', order, 'admin')
    const {madeAt = '', until} = lifted.items?.[0] ?? {}
    t.is(Date.parse(until ?? '') - Date.parse(madeAt), 3_600_000)
    t.deepEqual(await audited(front), ['admin promotion.override'])
  },
)

eachFront(
  'an approval keeps the role it was given with, counts a person once, and names one whole revision',
  async (t, front) => {
    t.is((await said(front, 'approve', {revision: 'a1a1a1a1'}, 'developer')).status, 404)
    await front.store.query(
      `INSERT INTO changes (source, repository, branch, revision, author, message) VALUES ('sample', 'sample', 'main', $1, 'a', 'm')`,
      [revision],
    )
    const first = await said(front, 'approve', {revision: 'A1A1A1A1'}, 'developer')
    t.like(first.items?.[0], {kind: 'approval', revision, role: 'developer'})
    const again = await said(front, 'approve', {revision}, 'developer')
    t.is(again.items?.[0]?.id, first.items?.[0]?.id)
    t.is((await standing(front)).length, 1)
    await front.store.query(
      `INSERT INTO changes (source, repository, branch, revision, author, message) VALUES ('sample', 'sample', 'main', $1, 'a', 'm')`,
      [`a1a1a1a1${'0'.repeat(32)}`],
    )
    t.like(await said(front, 'approve', {revision: 'a1a1a1a1'}), {status: 409, code: 'ambiguous'})
  },
)

eachFront(
  'allowing a revision ends its denial, and any one control can be ended by its id',
  async (t, front) => {
    t.is((await said(front, 'deny', {revision})).status, 422)
    const denied = await said(front, 'deny', {revision, reason: 'it is bad', exact: true, forSeconds: 60})
    t.like(denied.items?.[0], {kind: 'denial', exact: true})
    await said(front, 'allow', {revision, reason: 'it is not'})
    t.like(await standing(front), [{kind: 'allowance'}])
    const [allowance] = await standing(front)
    await said(front, 'release', {reason: 'enough', control: allowance?.id})
    t.deepEqual(await standing(front), [])
    t.deepEqual(await audited(front), [
      'operator promotion.denial',
      'operator promotion.denial.end',
      'operator promotion.allowance',
      'operator promotion.allowance.end',
    ])
  },
)

eachFront('a rule that is not configured is not found, whatever is said to it', async (t, {ask}) => {
  for (const verb of ['hold', 'release', 'allow', 'deny', 'approve', 'unfreeze'])
    t.is(
      (
        await ask({
          method: 'POST',
          url: `/api/v1/promotions/nothing/${verb}`,
          payload: {reason: 'x', revision, forSeconds: 60},
          as: 'admin',
        })
      ).statusCode,
      404,
      verb,
    )
})

eachFront('a stored decision is shown with what it was made on, and with its excuses', async (t, front) => {
  const evidence = {excuses: [{revision, because: 'linux has not built it'}]}
  const [row] = await front.store.query<{id: string}>(
    `INSERT INTO promotions (rule, kind, source, from_branch, to_branch, verdict, reasons, evidence, state, actor)
     VALUES ('stable', 'fastForward', 'sample', 'main', 'stable', 'wait', '["nothing is green"]', $1::jsonb, 'decided', 'schedule') RETURNING id`,
    [JSON.stringify(evidence)],
  )
  const url = `/api/v1/promotions/stable/decisions/${row?.id ?? ''}`
  t.like((await front.ask({url})).json<Decision & {isReplayed: boolean | null}>(), {
    verdict: 'wait',
    isReplayed: null,
  })
  t.is((await front.ask({url: '/api/v1/promotions/stable/decisions/999'})).statusCode, 404)
  const excuses = async (query = '') =>
    (await front.ask({url: `/api/v1/promotions/stable/excuses${query}`})).json<{
      items: {excuses: unknown[]}[]
    }>().items
  t.deepEqual((await excuses())[0]?.excuses, evidence.excuses)
  t.deepEqual((await excuses('?revision=ffff'))[0]?.excuses, [])
})
