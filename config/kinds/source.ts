// What change sources share.
import {type z} from 'zod'
import type {ChangeSource} from '../config.ts'
import type {Kind} from './kind.ts'

export interface SourceKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** The source as the master reads it. */
  resolve(options: z.output<S>): ChangeSource
}

/** Defines a source kind, with its options typed by its schema. */
export const defineSource = <S extends z.ZodObject>(kind: SourceKind<S>): SourceKind<S> => kind
