"""The policy's words in German, all of them; as a program, a menu in German."""

from connect_core import Action, Actor, Connection, RowPolicy, Wording

GERMAN = Wording(
    connection="Verbindung",
    a_connection="eine Verbindung",
    source="die Quelle",
    destination="das Ziel",
    pending="angeboten",
    active="aktiv",
    inactive="beendet",
    create="anlegen",
    activate="annehmen",
    deactivate="beenden",
    reactivate="wieder anbieten",
    created="angelegt",
    activated="angenommen",
    deactivated="beendet",
    reactivated="wieder angeboten",
    either=" oder ",
    then=", dann ",
    # Why it is allowed.
    permitted="{takers} darf sie {action}; danach ist sie {target}.",
    readable="{takers} darf lesen, solange die Verbindung {statuses} ist.",
    # Why it is denied.
    not_a_party="Die handelnde Organisation ist weder {source} noch {destination}.",
    wrong_role=(
        "Nur {takers} darf {a_connection} {action}, und die handelnde Organisation ist {roles}."
    ),
    wrong_status=(
        "{a_connection} kann nur {done} werden, solange sie {statuses} ist, und diese ist {status}."
    ),
    wrong_status_already=(
        "{a_connection} kann nur {done} werden, solange sie {statuses} ist,"
        " und diese ist schon {status}."
    ),
    already_exists=(
        "{a_connection} von dieser Quelle zu diesem Ziel gibt es schon;"
        " für jedes geordnete Paar gibt es nur eine."
    ),
    already_exists_in=(
        "{a_connection} von dieser Quelle zu diesem Ziel gibt es schon, und sie ist {status};"
        " für jedes geordnete Paar gibt es nur eine."
    ),
    self_connection="{source} und {destination} sind dieselbe Organisation.",
    unknown_status="Den Status der Verbindung kennt diese Version nicht.",
    unknown_status_stored="Den Status {stored} der Verbindung kennt diese Version nicht.",
    not_active="Daten fließen nur, solange die Verbindung {statuses} ist, und diese ist {status}.",
    scope_not_granted="Die Verbindung umfasst diese Daten nicht.",
    wrong_direction=(
        "Daten fließen nur von der Quelle zum Ziel, und die handelnde Organisation ist {roles}."
    ),
    # What would help.
    step="muss {takers} sie {action}",
    first="Zuerst {steps}.",
    done_already="Wenn das beabsichtigt war, ist es schon geschehen. Zuerst {steps}.",
    other_direction=(
        "Die andere Richtung braucht eine eigene Verbindung, in der die andere Organisation"
        " {source} ist."
    ),
    scopes_are_fixed=(
        "Daran ist nichts zu ändern: Was {a_connection} umfasst, steht auf Dauer fest,"
        " und diese Daten gehören nicht dazu."
    ),
    check_the_parties="Zu prüfen sind die Verbindung und die Organisation, für die gehandelt wird.",
    for_others="{takers} kann sie {action}.",
    for_others_once="{takers} kann sie {action}, sobald sie {statuses} ist.",
    for_others_once_known="{takers} kann sie {action}, sobald diese Version ihren Status kennt.",
    name_another=(
        "Zu nennen ist ein anderes Ziel; in einer Testumgebung kann eine Verbindung mit sich selbst"
        " verlangt werden."
    ),
    correct_the_status=(
        "Der gespeicherte Status ist zu berichtigen, oder es ist eine Version zu verwenden, die ihn"
        " kennt."
    ),
    reactivate_existing="Stattdessen kann die bestehende wieder angeboten werden.",
    use_existing="Zu verwenden ist die bestehende.",
)


if __name__ == "__main__":
    ours = Actor(id="api_ABC123", organization_id="org_ABC123")
    connection, _ = Connection.create(by=ours, destination="org_DEF456")
    menu = RowPolicy(wording=GERMAN).actions(ours, connection)
    assert not menu[Action.ACTIVATE]
    for action, decision in menu.items():
        print(f"{action:10}", decision.explanation, decision.advice)
