// The reporter kinds. A new one is a file beside this, and its line here.
import {z} from 'zod'
import {kindNamed, shapesOf} from '../kind.ts'
import type {ReporterKind} from '../reporter.ts'
import {mail} from './mail.ts'
import {webhook} from './webhook.ts'

export const reporterKinds = [webhook, mail] as const

export const reporterShape = z.discriminatedUnion('kind', shapesOf(reporterKinds))

/** The kind of that name; undefined for none. */
export const reporterKind = (kind: unknown): ReporterKind | undefined =>
  kindNamed<ReporterKind>(reporterKinds, kind)
