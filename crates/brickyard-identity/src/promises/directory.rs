//! Who is in which group, and who can be confused with whom: nobody.

use brickyard_types::{GroupName, PrincipalKind, UserName};

use super::{CLIENT_ID, name, world};
use crate::{NewUser, directory};

#[tokio::test]
async fn whoever_is_in_a_group_is_in_the_groups_above_it() {
    let world = world().await;
    let identity = &world.identity;
    let mut groups = Vec::new();
    for group in ["analysts", "staff", "company"] {
        groups.push(identity.create_group(&name(group)).await.unwrap());
    }
    let [analysts, staff, company] = groups[..] else { unreachable!("three groups") };
    identity.add_member(analysts, world.ana.id).await.unwrap();
    identity.add_member(staff, analysts).await.unwrap();
    identity.add_member(company, staff).await.unwrap();
    let directory = identity.directory();
    let users = directory.users_group().unwrap();
    let mut expected = vec![users, analysts, staff, company];
    expected.sort();
    assert_eq!(directory.groups_of(world.ana.id), expected);
    assert_eq!(directory.groups_of(world.robot.id), [users]);
    assert_eq!(directory.direct_groups_of(world.ana.id).count(), 1);
    assert!(identity.add_member(analysts, company).await.is_err(), "a group is not inside itself");
    assert!(identity.add_member(analysts, analysts).await.is_err());

    identity.remove_member(staff, analysts).await.unwrap();
    assert!(!identity.directory().is_member(world.ana.id, company));
    assert!(identity.directory().is_member(world.ana.id, analysts));
    identity.add_member(staff, analysts).await.unwrap();
    identity.delete_group(staff).await.unwrap();
    assert!(!identity.directory().is_member(world.ana.id, company));
    assert!(identity.directory().is_member(world.ana.id, users));
    identity.delete_principal(world.ana.id).await.unwrap();
    assert!(identity.directory().groups_of(world.ana.id).is_empty());
    assert!(identity.directory().group_by_id(analysts).unwrap().members.is_empty());
}

#[tokio::test]
async fn users_and_admins_are_always_there_and_everybody_is_a_user() {
    let world = world().await;
    let identity = &world.identity;
    let admin = NewUser { admin: true, ..NewUser::named(name("root@example.com")) };
    let admin = identity.create_user(admin).await.unwrap();
    assert!(identity.directory().is_admin(admin.id) && !identity.directory().is_admin(world.ana.id));
    let users = identity.directory().users_group().unwrap();
    let admins = identity.directory().admins_group().unwrap();
    for group in [users, admins] {
        assert!(identity.delete_group(group).await.is_err());
    }
    assert!(identity.add_member(users, world.ana.id).await.is_err());
    assert!(identity.add_member(admins, users).await.is_err(), "everybody an admin");
    assert!(identity.create_group(&name::<GroupName>("users")).await.is_err());
}

#[tokio::test]
async fn an_endpoints_own_principal_is_a_user_of_the_workspace_but_in_no_listing() {
    let world = world().await;
    let slots = world.identity.slots();
    let endpoint = world.act("agent").endpoint_id;
    let id = directory::new_application_id(&*world.entropy);
    let system = world
        .identity
        .commit(|tx| directory::create_system_principal(tx, slots, endpoint, "agent-1", &id))
        .await
        .unwrap();
    assert_eq!(system.kind, PrincipalKind::SystemServicePrincipal(endpoint));
    let directory = world.identity.directory();
    assert!(directory.is_member(system.id, directory.users_group().unwrap()));
    assert!(directory.service_principals().all(|entry| entry.principal == world.robot));
    assert_eq!(directory.system_principals_of(endpoint).count(), 1);
    drop(directory);
    assert!(world.identity.set_active(system.id, false).await.is_err());
    assert!(world.identity.create_pat(&system, "", None, None).await.is_err());
    assert!(world.identity.create_secret(system.id, None, None).await.is_err());
}

#[tokio::test]
async fn no_name_stands_for_two() {
    let world = world().await;
    let identity = &world.identity;
    assert!(identity.create_user(NewUser::named(name("ana@example.com"))).await.is_err());
    assert!(identity.create_service_principal("twin", Some(CLIENT_ID)).await.is_err());
    for bad in [
        "",
        "ana@example.com",
        "7F1C0000-1111-4222-8333-444455556666",
        "7f1c000011114222833344445556666a",
        "{7f1c0000-1111-4222-8333-444455556667}",
    ] {
        assert!(identity.create_service_principal("x", Some(bad)).await.is_err(), "{bad}");
    }
    for uuid in [CLIENT_ID, "7F1C0000-1111-4222-8333-444455556666", "7f1c0000111142228333444455556666"] {
        assert!(uuid.parse::<UserName>().is_err(), "X19 {uuid}");
    }
    // An id is not given twice.
    let bob = identity.create_user(NewUser::named(name("bob@example.com"))).await.unwrap();
    identity.delete_principal(bob.id).await.unwrap();
    assert_ne!(identity.create_user(NewUser::named(name("bob@example.com"))).await.unwrap().id, bob.id);
}
