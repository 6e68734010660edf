import {statfsSync} from 'node:fs'
import {tmpdir} from 'node:os'
import test from 'ava'
import {Quota} from '../../../worker/world/quota.ts'
import type {Journal} from '../../../worker/world/spool.ts'

const quota = () => new Quota({unappliedBytes: 0} as Journal, {shareBytes: 1024 ** 2, policy: 'truncate'})
const far = 2 ** 60

test('a step is told the least room that was seen while it ran, without what was given back since', (t) => {
  const one = quota()
  one.noteFree(tmpdir())
  t.true(one.leastFree <= statfsSync(tmpdir()).blocks * statfsSync(tmpdir()).bsize)
  one.noteFree(tmpdir(), far)
  const least = one.leastFree
  t.true(least < 0)
  one.noteFree(tmpdir())
  t.is(one.leastFree, least)
})

test('a disk that cannot be asked says nothing', (t) => {
  const one = quota()
  one.noteFree('/nowhere/at/all')
  t.is(one.leastFree, Infinity)
})

test('what an earlier step met is no matter of the next one', (t) => {
  const one = quota()
  one.noteFree(tmpdir(), far)
  one.begin()
  t.is(one.leastFree, Infinity)
})
