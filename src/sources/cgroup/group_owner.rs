//! The container or service that the path of a control group belongs to: the subject that [`super::discovery`] finds above it.

use super::group_class::{CgroupClass, ContainerId, GroupContext, classify};
use crate::culprit::{ContainerOrService, ContainerOrServiceKind};

/// Digits of a container's ID that its owner is known by until its name is, as `docker ps` shows them.
pub(super) const SHORT_ID: usize = 12;

/// The owner of the processes of this group: the first container or service on the path. A container is known by its ID, if
/// it has one. `None` if they belong to neither.
pub fn group_owner(path: &str) -> Option<ContainerOrService> {
    let mut context = GroupContext::default();
    let mut of_user = None;
    for name in path.split('/').filter(|it| !it.is_empty()) {
        match classify(name, context) {
            CgroupClass::Container(_, id) => {
                return Some(owner(ContainerOrServiceKind::Container, container_key(&id)));
            }
            CgroupClass::Service => return Some(owner(ContainerOrServiceKind::Service, name)),
            CgroupClass::Ignored => break,
            // The manager of a user's services holds whatever the user starts.
            CgroupClass::Inner if name.ends_with(".service") && !name.starts_with("user@") => {
                of_user = Some(name);
            }
            CgroupClass::Inner | CgroupClass::Pod { .. } => {}
        }
        context = context.within(name);
    }
    of_user.filter(|it| *it != ".service").map(|it| owner(ContainerOrServiceKind::Service, it))
}

fn owner(kind: ContainerOrServiceKind, name: &str) -> ContainerOrService {
    ContainerOrService { kind, name: name.to_owned() }
}

fn container_key(id: &ContainerId) -> &str {
    match id {
        ContainerId::Digits(digits) => digits.get(..SHORT_ID).unwrap_or(digits),
        ContainerId::Name(name) => name,
        ContainerId::NameAndId { id, .. } => id,
    }
}
