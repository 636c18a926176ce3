export { type DoctorConfig, examine } from './doctor.ts'
export { type Finding, isFit, ok, weaker } from './finding.ts'
