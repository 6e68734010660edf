import test from 'ava'
import {confirmed, countByCheck} from '../../../master/core/findings.ts'

const finding = (row: string, mark = '') => ({check: 'c', row, mark})

test('a finding counts when two looks in a row saw it', (t) => {
  t.deepEqual(confirmed([], [finding('1')]), [])
  t.deepEqual(confirmed([finding('1')], [finding('1'), finding('2')]), [finding('1')])
})

test('a row that is wrong in another way is another case', (t) => {
  t.deepEqual(confirmed([finding('1', 'first')], [finding('1', 'second')]), [])
})

test('a check without findings counts 0', (t) => {
  t.deepEqual(
    [...countByCheck(['c', 'd'], [finding('1'), finding('2')])],
    [
      ['c', 2],
      ['d', 0],
    ],
  )
})
