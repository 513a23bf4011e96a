/** Apart, so that it can be loaded when it is needed, and only this much of the package. */
export { STSClient } from '@aws-sdk/client-sts';
