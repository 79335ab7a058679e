//! The archive bucket: the suite of the port on whichever S3 the stack runs on.

use pillarbox_aws::S3Archive;
use pillarbox_tests::fresh;
use pillarbox_tests::stack::Stack;

#[tokio::test]
async fn a_bucket_keeps_what_an_archive_has_to_keep() {
    let stack = Stack::of_process();
    // Not the stack's own: what the suite stores belongs to no hour.
    let bucket = fresh("archive");
    let create = stack.s3.create_bucket().bucket(&bucket);
    create.send().await.unwrap();
    let archive = S3Archive::new(stack.s3.clone(), bucket);
    pillarbox_testkit::archive::conformance(&archive).await;
}
