import test from 'ava'
import {Unfillable, fill} from '../../../worker/core/templates.ts'

const values = {props: {version: '1.2.3', n: 5, nothing: null, list: [1]}, secrets: {key: 's3cret'}}

test('holes are filled with properties and secrets', (t) => {
  t.is(fill(['v', {prop: 'version'}, '-', {prop: 'n'}, {secret: 'key'}], values), 'v1.2.3-5s3cret')
  t.is(fill([{prop: 'nothing'}, {prop: 'list'}], values), '[1]')
})

test('a property may be cut, and another text stand in for one that is not set', (t) => {
  t.is(fill([{prop: 'version', take: 3}], values), '1.2')
  t.is(fill([{prop: 'gone', otherwise: 'none'}], values), 'none')
})

test('a hole that nothing fills is named, also when an object inherits such a name', (t) => {
  t.throws(() => fill([{prop: 'gone'}], values), {instanceOf: Unfillable, message: /gone/})
  t.throws(() => fill([{prop: 'constructor'}], values), {instanceOf: Unfillable})
  t.throws(() => fill([{secret: 'toString'}], values), {instanceOf: Unfillable})
})
