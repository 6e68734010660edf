import test from 'ava'
import {line, propertyName, thingName} from '../../../config/terms/names.ts'
import {secretRef} from '../../../config/terms/secrets.ts'

const ok = (shape: {safeParse(value: unknown): {success: boolean}}, value: unknown) =>
  shape.safeParse(value).success

test('names may be part of addresses and directories', (t) => {
  for (const name of ['a', 'lp-devel_1.2', '0x']) t.true(ok(thingName(), name), name)
  for (const name of ['', '-x', '.x', 'a/b', 'a b', 'ä', 'x'.repeat(101), 7])
    t.false(ok(thingName(), name), String(name))
})

test('properties begin with a letter', (t) => {
  t.true(ok(propertyName(), 'gotRevision.hello'))
  t.false(ok(propertyName(), '1x'))
})

test('a line has no line feed and no control character', (t) => {
  t.true(ok(line(), 'ein Satz'))
  for (const text of ['', 'a\nb', 'a\u0007', 'x'.repeat(201)]) t.false(ok(line(), text))
})

test('a secret is named, and a problem never repeats what stood in its place', (t) => {
  t.true(ok(secretRef(), {secret: 'forge-hook'}))
  for (const value of ['hunter2', {secret: '../hunter2'}, {secret: 'hunter 2'}, null]) {
    const parsed = secretRef().safeParse(value)
    t.false(parsed.success)
    t.notRegex(JSON.stringify(parsed.error?.issues.map((issue) => issue.message)), /hunter/)
  }
})
