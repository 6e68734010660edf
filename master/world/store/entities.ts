// Every table of the database as TypeORM knows it. A test compares them with the migrated database.
import type {EntitySchema} from 'typeorm'
import {
  ConfigVersionEntity,
  CursorEntity,
  EventEntity,
  LeaseEntity,
  MasterEntity,
  OutboxEntity,
  SchedulerChangeEntity,
  SchedulerEntity,
} from './entities/flow.ts'
import {
  ChangeEntity,
  HookDeliveryEntity,
  PromotionControlEntity,
  PromotionEntity,
  PromotionGateEntity,
  RepositoryEntity,
} from './entities/changes.ts'
import {
  ArtifactEntity,
  AttemptEntity,
  BuildEntity,
  BuilderEntity,
  BuildsetEntity,
  LogEntity,
  RequestEntity,
  StepEntity,
  WorkerEntity,
} from './entities/builds.ts'
import {AuditEntity, SessionEntity, TokenEntity} from './entities/access.ts'

export const entities: EntitySchema[] = [
  ConfigVersionEntity,
  CursorEntity,
  EventEntity,
  LeaseEntity,
  MasterEntity,
  OutboxEntity,
  SchedulerChangeEntity,
  SchedulerEntity,
  ChangeEntity,
  HookDeliveryEntity,
  PromotionEntity,
  PromotionControlEntity,
  PromotionGateEntity,
  RepositoryEntity,
  ArtifactEntity,
  AttemptEntity,
  BuildEntity,
  BuilderEntity,
  BuildsetEntity,
  LogEntity,
  RequestEntity,
  StepEntity,
  WorkerEntity,
  AuditEntity,
  SessionEntity,
  TokenEntity,
] as EntitySchema[]
