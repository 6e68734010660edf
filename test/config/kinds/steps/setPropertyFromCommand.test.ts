import test from 'ava'
import {planStepShape} from '../../../../worker/protocol/plan.ts'
import type {Expansion} from '../../../../config/config.ts'
import {setPropertyFromCommand} from '../../../../config/kinds/steps/setPropertyFromCommand.ts'
import {checkKind, problemsOf} from '../check.ts'

test('the example of setPropertyFromCommand loads, and each option is described', (t) => {
  const step = setPropertyFromCommand.expand(checkKind(t, setPropertyFromCommand), 'version', {} as Expansion)
  t.like(planStepShape.parse(step).command, {
    command: 'spawn',
    capture: 'version',
    script: ['git describe --always'],
  })
})

test('a step says which property it sets, and may not set one that every build has', (t) => {
  t.deepEqual(setPropertyFromCommand.sets?.({property: 'v'}), ['v'])
  t.deepEqual(problemsOf(setPropertyFromCommand, {command: 'x', property: 'branch'}), [
    'every build has its own branch; choose another name',
  ])
  t.deepEqual(problemsOf(setPropertyFromCommand, {command: 'x', property: 'constructor'}), [])
})
