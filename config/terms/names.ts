// Names, and the small leaf terms that every kind is written with. Their errors say what was expected; the loader
// adds what it got.
import {z} from 'zod'

const namePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/

/** The name of a source, worker, builder, scheduler, rule or reporter: it is part of addresses and directories. */
export const thingName = () => {
  const error = "expected a name of at most 100 letters, digits, '.', '_' and '-'"
  return z.string({error}).regex(namePattern, {error})
}

/** The name of a property, as `${props.NAME}` says it. */
export const propertyName = () => {
  const error = "expected a property's name: letters, digits, '_', '.' and '-', beginning with a letter"
  return z.string({error}).regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,99}$/, {error})
}

/** One line of text for people. */
export const line = (most = 200) => {
  const error = `expected one line of text, of 1 to ${String(most)} characters`
  return z.string({error}).regex(new RegExp(`^[^\\u0000-\\u001f\\u007f]{1,${String(most)}}$`, 'u'), {error})
}

/** A whole number within limits. */
export const count = (least: number, most: number) => {
  const error = `expected a whole number from ${String(least)} to ${String(most)}`
  return z.int({error}).min(least, {error}).max(most, {error})
}

/** true or false. */
export const flag = () => z.boolean({error: 'expected true or false'})

/** A list; `what` names its items. */
export const list = <T extends z.ZodType>(item: T, what: string) =>
  z.array(item, {error: `expected a list of ${what}`})

/** A list with at least one item. */
export const someOf = <T extends z.ZodType>(item: T, what: string) => {
  const error = `expected a list of at least one ${what}`
  return z.array(item, {error}).min(1, {error})
}

/** Labels of workers, and what a builder requires of them. */
export const labels = () => z.record(thingName(), line(), {error: 'expected labels such as {os: linux}'})

/** Properties with fixed values. */
export const properties = () =>
  z.record(propertyName(), z.json(), {error: 'expected properties such as {release: jammy}'})

const urlPattern = /^https?:\/\/[^\s/?#]+(?:[/?#]\S*)?$/

/** An address that begins with http:// or https://. */
export const webUrl = () => {
  const error = 'expected an address such as https://ci.example.org/'
  return z.string({error}).regex(urlPattern, {error})
}
