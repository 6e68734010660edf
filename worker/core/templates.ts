// Filling a template's holes with properties and secrets as they stand when a step starts.
import type {Property, Template} from '../protocol/plan.ts'

export interface Fill {
  readonly props: Readonly<Record<string, Property>>
  readonly secrets: Readonly<Record<string, string>>
}

/** A template that cannot be filled; the message names the hole. */
export class Unfillable extends Error {
  override readonly name = 'Unfillable'
}

/** A property as text: text as it is, null as nothing, all else as JSON. */
export function propertyText(value: Property): string {
  if (typeof value === 'string') return value
  return value === null ? '' : JSON.stringify(value)
}

/** The template's text. Throws Unfillable for a property that is not set or a secret that did not come. */
export function fill(template: Template, {props, secrets}: Fill): string {
  return template
    .map((part) => {
      if (typeof part === 'string') return part
      if ('secret' in part) {
        if (!Object.hasOwn(secrets, part.secret))
          throw new Unfillable(`secret "${part.secret}" is not known here`)
        return secrets[part.secret]
      }
      const value = Object.hasOwn(props, part.prop) ? props[part.prop] : undefined
      if (value === undefined && part.otherwise === undefined)
        throw new Unfillable(`property "${part.prop}" is not set`)
      const text = value === undefined ? (part.otherwise ?? '') : propertyText(value)
      return part.take === undefined ? text : [...text].slice(0, part.take).join('')
    })
    .join('')
}
