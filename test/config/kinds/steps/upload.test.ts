import test from 'ava'
import {planStepShape} from '../../../../worker/protocol/plan.ts'
import type {Expansion} from '../../../../config/config.ts'
import {upload} from '../../../../config/kinds/steps/upload.ts'
import {checkKind, problemsOf} from '../check.ts'

const expand = (options: object) =>
  upload.expand(upload.shape.parse({kind: 'upload', ...options}), 'upload', {} as Expansion)

test('the example of upload loads, and each option is described', (t) => {
  t.notThrows(() => planStepShape.parse(upload.expand(checkKind(t, upload), 'upload', {} as Expansion)))
})

test('one glob or many become the files to keep', (t) => {
  t.deepEqual(expand({files: 'dist/*', artifact: 'dist-${props.v}'}).command, {
    command: 'keep',
    files: [['dist/*']],
    artifact: ['dist-', {prop: 'v'}],
    workdir: ['.'],
    optional: false,
  })
  t.like(expand({files: ['a', 'b'], artifact: 'x', optional: true}).command, {
    files: [['a'], ['b']],
    optional: true,
  })
})

test('an upload that fails ends the build, as in Buildbot', (t) => {
  t.true(expand({files: 'a', artifact: 'x'}).haltOnFailure)
})

test('an artifact needs a name and files', (t) => {
  t.deepEqual(problemsOf(upload, {files: 'a', artifact: ''}), ["expected the artifact's name"])
  t.is(problemsOf(upload, {files: [], artifact: 'x'}).length, 1)
})
