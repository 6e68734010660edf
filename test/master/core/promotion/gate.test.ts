// The gate's decisions: which merge is put under test, and that only that merge lands, where it was made for.
import test from 'ava'
import type {Facts, GateCommit} from '../../../../master/core/promotion/facts.ts'
import {judgeGate} from '../../../../master/core/promotion/gate.ts'
import {control, factsAbout, gateBuild} from '../../../support/judging.ts'
import {gate, greenOf} from '../../../support/promoting.ts'

const rule = gate({green: greenOf({builders: ['a', 'b']})})
const merged = (candidate: string, over: Partial<GateCommit> = {}): GateCommit => ({
  candidate,
  base: 't0',
  commit: `m-${candidate}`,
  tree: 'tree',
  isSameTree: false,
  ...over,
})
const facts = (over: Partial<Facts> = {}) =>
  factsAbout({
    fromTip: 'r2',
    toTip: 't0',
    relation: 'diverged',
    candidates: ['r2', 'r1'].map((revision) => ({revision, descends: false})),
    ...over,
  })
const green = (revision: string, ...builders: string[]) =>
  builders.map((builder) => gateBuild({builder, revision, finishedAt: 100}))

test('the merge of the newest commit is put under test, built on every builder, and landed when it is green', (t) => {
  t.deepEqual(judgeGate(rule, facts()).orders, [{order: 'gate', candidate: 'r2'}])
  const begun = facts({gate: merged('r2')})
  t.deepEqual(judgeGate(rule, begun).orders, [{order: 'build', revision: 'm-r2', builders: ['a', 'b']}])
  const half = facts({
    gate: merged('r2'),
    builds: green('m-r2', 'a'),
    open: [{builder: 'b', revision: 'm-r2', state: 'running'}],
  })
  t.like(judgeGate(rule, half), {verdict: 'wait', orders: [], candidate: null})
  const whole = facts({gate: merged('r2'), builds: green('m-r2', 'a', 'b')})
  t.like(judgeGate(rule, whole), {verdict: 'promote', candidate: 'r2', would: 'm-r2'})
})

test('green builds of the candidate alone land no merge of it', (t) => {
  t.is(judgeGate(rule, facts({gate: merged('r2'), builds: green('r2', 'a', 'b')})).verdict, 'wait')
})

test('case 29: a target that has moved starts the test over', (t) => {
  const moved = facts({toTip: 't1', gate: merged('r2'), builds: green('m-r2', 'a', 'b')})
  t.like(judgeGate(rule, moved), {verdict: 'wait', orders: [{order: 'gate', candidate: 'r2'}]})
  t.regex(judgeGate(rule, moved).reasons[0] ?? '', /stable has moved/)
})

test('a newer commit does not stop the test under way, and takes its turn after a red', (t) => {
  const builds = green('m-r1', 'a')
  t.deepEqual(judgeGate(rule, facts({gate: merged('r1'), builds})).orders, [
    {order: 'build', revision: 'm-r1', builders: ['b']},
  ])
  const red = [...builds, gateBuild({builder: 'b', revision: 'm-r1', result: 'failure'})]
  t.deepEqual(judgeGate(rule, facts({gate: merged('r1'), builds: red})).orders, [
    {order: 'gate', candidate: 'r2'},
  ])
})

test('after a red merge of the newest commit an older one is tried only with partial, and none twice', (t) => {
  const builds = [gateBuild({builder: 'a', revision: 'm-r2', result: 'failure'})]
  const red = facts({gate: merged('r2'), builds})
  t.like(judgeGate(rule, red), {verdict: 'wait', orders: []})
  const partial = {...rule, partial: true}
  t.deepEqual(judgeGate(partial, red).orders, [{order: 'gate', candidate: 'r1'}])
  t.deepEqual(judgeGate(partial, {...red, tested: ['r1']}).orders, [])
})

test('a denied commit leaves the gate, approval is of the merge, and a hold keeps it', (t) => {
  const ready = {gate: merged('r2'), builds: green('m-r2', 'a', 'b')}
  const denied = control({kind: 'denial', revision: 'r2', since: 'r2'})
  t.deepEqual(judgeGate(rule, facts({...ready, controls: [denied]})).orders, [
    {order: 'gate', candidate: 'r1'},
  ])
  const approved = {...rule, approvals: {count: 1, role: 'operator' as const}}
  const approval = (revision: string) => control({kind: 'approval', revision})
  t.is(judgeGate(approved, facts({...ready, controls: [approval('r2')]})).verdict, 'wait')
  t.is(judgeGate(approved, facts({...ready, controls: [approval('m-r2')]})).verdict, 'promote')
  t.like(judgeGate(rule, facts({...ready, controls: [control({kind: 'hold'})]})), {
    verdict: 'wait',
    would: 'm-r2',
  })
})

test('a merge soaks, and one that conflicts is not tried again with the same two commits', (t) => {
  const soaking = {...rule, green: {...rule.green, soakMs: 50}}
  const ready = {gate: merged('r2'), builds: green('m-r2', 'a', 'b')}
  t.like(judgeGate(soaking, facts({...ready, now: 149})), {verdict: 'wait', lookAt: 150})
  t.is(judgeGate(soaking, facts({...ready, now: 150})).verdict, 'promote')
  const conflict = {candidate: 'r2', toTip: 't0', files: ['f']}
  t.like(judgeGate(rule, facts({conflict})), {orders: [], reasons: ['still conflicting: f']})
})
