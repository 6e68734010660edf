// The numbered, forward-only steps from an empty database to today's tables, as TypeORM runs and remembers them.
import type {MigrationInterface, QueryRunner} from 'typeorm'
import {up as first} from './migrations/0001-first.sql.ts'
import {up as masters} from './migrations/0002-masters.sql.ts'
import {up as reconciler} from './migrations/0003-reconciler.sql.ts'
import {up as workers} from './migrations/0004-workers.sql.ts'
import {up as promotions} from './migrations/0005-promotions.sql.ts'

/** In order. A number is never given twice, and a migration that was released is never edited. */
export const migrations: readonly {readonly number: number; readonly name: string; readonly up: string}[] = [
  {number: 1, name: 'first', up: first},
  {number: 2, name: 'masters', up: masters},
  {number: 3, name: 'reconciler', up: reconciler},
  {number: 4, name: 'workers', up: workers},
  {number: 5, name: 'promotions', up: promotions},
]

/** The name TypeORM remembers: it wants thirteen digits at the end, by which it sorts. */
export const migrationName = ({number, name}: {readonly number: number; readonly name: string}) =>
  `${name}-${String(number).padStart(13, '0')}`

/** The migrations as classes, which is how TypeORM takes them. */
export const migrationClasses = migrations.map(
  (migration) =>
    class implements MigrationInterface {
      name = migrationName(migration)
      async up(runner: QueryRunner) {
        await runner.query(migration.up)
      }
      async down() {
        await Promise.reject(new Error('migrations go forward only; restore a backup instead'))
      }
    },
)
