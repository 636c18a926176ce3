import { ARTIFACT_BYTES_MAX } from '#protocols/artifact'
import { collect } from '#protocols/body'
import { answer, callerOf, type Handler } from './handler.ts'

/** A new version. The caller's token is judged by the service. */
export const publish: Handler<'publish'> = async ({ service, access }, { manifest, caller, ack, timeoutMs }, request) => {
  // Before the body is read: what may not be published is not worth receiving.
  await access.require(callerOf(caller), 'deploy', manifest.namespace)
  const artifact = await collect(request.body, ARTIFACT_BYTES_MAX, 'the artifact')
  return answer({ ...(await service.publish(manifest, artifact, { caller: callerOf(caller), ack, timeoutMs })) })
}
