"""Which tests of the suite fail on which broken driver, without their `test_`.

The first is the one the mistake was planted for; the others meet it on their way.
"""

from __future__ import annotations

PLANTED = {
    "StatTellsAWrongSize": """
        stat_tells_key_and_size rewrite_is_seen_by_another_instance stat_and_scan_agree
        write_is_seen_by_another_instance write_over_existing_replaces_all_of_it
        write_under_way_shows_the_old_content write_large_over_large_replaces_all_of_it
    """,
    "StatTellsLocalTime": """
        stat_tells_when_it_was_written stat_and_scan_agree write_gives_the_entry
    """,
    "StatFindsFolders": "stat_of_a_folder_is_missing",
    "ModifiedIsTheInstancesTime": "modified_does_not_go_back_between_instances",
    "ReadIncludesStop": """
        read_range_in_the_middle read_range_at_the_beginning read_range_of_a_large_object
        reads_at_once_do_not_disturb_each_other
    """,
    "ReadTakesEmptyForWhole": "read_empty_range",
    "ReadRefusesStartPastTheEnd": "read_range_past_the_end read_range_of_an_empty_object",
    "ReadOfMissingIsEmpty": """
        read_missing copy_missing_leaves_the_target copy_of_a_folder_is_missing
        delete_is_seen_by_another_instance delete_removes move_large
        move_missing_leaves_the_target move_of_a_folder_is_missing
        read_below_an_object_is_missing read_of_a_folder_is_missing read_range_missing
        write_broken_stream_leaves_nothing write_cancelled_leaves_nothing
        write_from_a_missing_object_leaves_nothing write_is_seen_by_another_instance
        write_under_way_is_not_seen read_of_missing_objects_leaks_nothing
        move_missing_below_an_object upload_cancelled_commit_keeps_the_content
    """,
    "ReadGivesAllAtOnce": "read_large_object_in_pieces",
    "ReadLeaksWhenClosedEarly": """
        read_closed_early_leaks_nothing reads_closed_early_at_once_leak_nothing
    """,
    "ReadFollowsAnOverwrite": "write_during_a_read_does_not_mix_into_it",
    "ReadsShareAPosition": """
        reads_at_once_do_not_disturb_each_other writes_and_reads_of_many_keys_at_once
        reads_at_once_of_a_large_object uploads_at_once
    """,
    "ReadsOfLargeObjectsShareAPosition": "reads_at_once_of_a_large_object",
    "WriteInPlace": """
        write_under_way_is_not_seen copy_missing_leaves_the_target
        copy_of_a_folder_is_missing copy_onto_itself move_missing_leaves_the_target
        move_of_a_folder_is_missing move_onto_itself
        write_again_and_again_shows_whole_contents write_broken_stream_leaves_nothing
        write_broken_stream_over_existing_keeps_it write_cancelled_leaves_nothing
        write_cancelled_over_existing_keeps_it write_from_a_missing_object_leaves_nothing
        write_under_way_shows_the_old_content writes_at_once_to_one_key_leave_one_of_them
        move_missing_below_an_object
    """,
    "WriteKeepsWhatCameOfABrokenStream": """
        write_broken_stream_leaves_nothing copy_missing_leaves_the_target
        copy_of_a_folder_is_missing create_broken_stream_leaves_nothing
        move_missing_leaves_the_target move_of_a_folder_is_missing
        write_broken_stream_over_existing_keeps_it
        write_from_a_missing_object_leaves_nothing move_missing_below_an_object
    """,
    "WriteTakesCancellationForTheEnd": """
        write_cancelled_leaves_nothing create_cancelled_leaves_nothing
        upload_cancelled_append_keeps_a_true_prefix write_cancelled_over_existing_keeps_it
    """,
    "WriteWrapsTheStreamsError": """
        write_lets_the_streams_error_through create_broken_stream_leaves_nothing
        upload_broken_append_keeps_a_true_prefix
        upload_broken_first_append_keeps_a_true_prefix write_broken_stream_leaves_nothing
        write_broken_stream_over_existing_keeps_it write_of_broken_streams_leaks_nothing
        upload_of_broken_streams_leaks_nothing
    """,
    "WriteKeepsALongerEnd": """
        write_over_existing_replaces_all_of_it copy_over_existing move_over_existing
        rewrite_is_seen_by_another_instance upload_commit_replaces
        write_large_over_large_replaces_all_of_it
    """,
    "WriteKeepsOldPartsOfALargeObject": "write_large_over_large_replaces_all_of_it",
    "WriteLeavesATemporaryObject": """
        write_broken_stream_leaves_nothing copy_missing_leaves_the_target
        copy_of_a_folder_is_missing create_broken_stream_leaves_nothing
        create_cancelled_leaves_nothing create_existing move_missing_leaves_the_target
        move_of_a_folder_is_missing upload_broken_append_keeps_a_true_prefix
        upload_broken_first_append_keeps_a_true_prefix
        upload_cancelled_append_keeps_a_true_prefix
        write_broken_stream_over_existing_keeps_it write_cancelled_leaves_nothing
        write_from_a_missing_object_leaves_nothing write_under_way_is_not_seen
        move_missing_below_an_object
    """,
    "WriteFoldsCase": """
        write_keys_that_differ_in_case scan_agrees_with_sorting
        scan_upper_case_before_lower_case write_every_kind_of_key scan_many_keys
        delete_keeps_keys_that_a_pattern_finds
    """,
    "CreateRaces": """
        create_two_at_once_has_one_winner create_by_two_instances_has_one_winner
        create_twenty_at_once_has_one_winner
    """,
    "CreateReplaces": """
        create_existing create_by_two_instances_has_one_winner create_existing_empty_object
        create_twenty_at_once_has_one_winner create_two_at_once_has_one_winner
        create_what_another_instance_created upload_two_appends_at_once
        upload_two_appends_at_once_by_two_instances
    """,
    "CreateClaimsBeforeTheStream": """
        create_broken_stream_leaves_nothing create_cancelled_leaves_nothing
        upload_broken_append_keeps_a_true_prefix
        upload_broken_first_append_keeps_a_true_prefix
        upload_cancelled_append_keeps_a_true_prefix
    """,
    "DeleteRefusesMissing": """
        delete_missing_is_no_error delete_a_key_named_twice delete_at_once_of_one_key
        delete_existing_among_missing delete_more_keys_than_one_request_takes
        delete_of_a_folder_deletes_nothing delete_twice_is_no_error
        move_cancelled_keeps_the_content delete_cancelled_can_be_repeated
        delete_below_an_object_is_no_error
    """,
    "DeleteTakesAPrefix": "delete_keeps_keys_that_begin_alike delete_of_a_folder_deletes_nothing",
    "DeleteTakesFolders": "delete_of_a_folder_deletes_nothing",
    "DeleteSendsOnePage": """
        delete_more_keys_than_one_request_takes scan_more_than_one_page scan_many_keys
    """,
    "DeleteTakesAPattern": "delete_keeps_keys_that_a_pattern_finds",
    "DeleteRefusesBelowAnObject": "delete_below_an_object_is_no_error",
    "ScanInOrderOfWriting": """
        scan_gives_keys_in_byte_order scan_upper_case_before_lower_case
        scan_while_keys_are_written_and_deleted write_every_kind_of_key
    """,
    "ScanInOrderOfFolders": """
        scan_gives_keys_in_byte_order scan_after_a_key_there_is
        scan_after_a_key_there_is_not scan_agrees_with_sorting scan_closed_early
        scan_delimiter_counts_behind_the_prefix scan_delimiter_merges_prefixes_and_entries
        scans_at_once_do_not_disturb_each_other write_every_kind_of_key
        sift_of_all_is_a_scan sift_leaves_out_folders_that_it_asked_about
    """,
    "ScanIncludesAfter": """
        scan_after_a_key_there_is scan_after_the_last_key scan_after_within_a_prefix
        scan_agrees_with_sorting scan_more_than_one_page scan_many_keys
    """,
    "ScanIgnoresDelimiter": """
        scan_delimiter_gives_one_prefix_for_a_folder
        delete_of_the_last_object_leaves_no_folder scan_agrees_with_sorting
        scan_delimiter_after_a_prefix_it_gave scan_delimiter_after_all_of_a_folder
        scan_delimiter_after_some_of_a_folder scan_delimiter_counts_behind_the_prefix
        scan_delimiter_merges_prefixes_and_entries scan_many_keys
        scan_prefix_is_taken_to_the_letter
    """,
    "ScanGivesPrefixesFirst": """
        scan_delimiter_merges_prefixes_and_entries scan_agrees_with_sorting
        scan_delimiter_counts_behind_the_prefix
    """,
    "ScanPassesOverABegunFolder": """
        scan_delimiter_after_a_prefix_it_gave scan_agrees_with_sorting
        scan_delimiter_after_some_of_a_folder scan_many_keys
    """,
    "ScanTakesPrefixForAFolder": """
        scan_prefix_in_the_middle_of_a_name scan_after_within_a_prefix
        scan_agrees_with_sorting scan_delimiter_counts_behind_the_prefix
        scan_prefix_is_a_whole_key scan_prefix_is_the_beginning_of_a_name
        stat_and_scan_agree scan_prefix_is_taken_to_the_letter
        sift_of_all_is_a_scan sift_leaves_out_folders_that_it_asked_about
    """,
    "ScanStopsAfterOnePage": "scan_more_than_one_page scan_many_keys",
    "ScanRemembers": "scan_shows_what_another_instance_did",
    "CopyInTheBackground": """
        copy_large_is_complete_on_return copy_empty_object copy_gives_an_equal
        copy_over_existing move_large move_leaves_the_target_alone move_over_existing
        move_cancelled_keeps_the_content
    """,
    "MoveClearsTheTargetFirst": "move_missing_leaves_the_target move_onto_itself",
    "MoveLeavesTheSource": "move_leaves_the_target_alone move_large move_over_existing",
    "UploadIgnoresOffset": "upload_append_at_a_wrong_offset upload_first_append_past_the_beginning",
    "UploadLosesItsLastPart": """
        upload_goes_on_by_its_token_alone upload_append_of_nothing
        upload_appends_go_behind_one_another upload_broken_append_keeps_a_true_prefix
        upload_cancelled_append_keeps_a_true_prefix upload_goes_on_in_another_instance
        upload_many_small_appends upload_two_appends_at_once
        upload_two_appends_at_once_by_two_instances uploads_at_once
        upload_cancelled_commit_keeps_the_content
    """,
    "UploadIsKeptInTheInstance": """
        upload_goes_on_in_another_instance upload_ends_in_another_instance
    """,
    "UploadCommitsWhateverThereIs": """
        upload_commit_at_a_wrong_size upload_commit_is_the_end
        upload_commit_that_never_began_at_a_wrong_size
    """,
    "UploadSweepsBelowItsToken": """
        upload_keeps_the_cores_objects_beside_it upload_commit_below_its_own_token
    """,
    "UploadAbortsTokensThatBeginAlike": """
        uploads_whose_tokens_begin_alike_are_apart uploads_at_once
    """,
    "UploadLeavesItsParts": """
        upload_commit_leaves_nothing_but_the_object upload_broken_append_keeps_a_true_prefix
        upload_broken_first_append_keeps_a_true_prefix
        upload_cancelled_append_keeps_a_true_prefix upload_commit_below_its_own_token
        upload_commit_is_the_end upload_goes_on_in_another_instance
        upload_keeps_the_cores_objects_beside_it
    """,
    "UploadOrdersPartsByText": """
        upload_many_small_appends upload_appends_go_behind_one_another
        upload_goes_on_in_another_instance
    """,
    "UploadKeepsAFalsePrefix": """
        upload_broken_append_keeps_a_true_prefix upload_broken_at_once_holds_nothing
        upload_broken_first_append_keeps_a_true_prefix
        upload_cancelled_append_keeps_a_true_prefix
    """,
    "ReadKeepsAConnectionWhenClosedEarly": """
        read_closed_early_leaks_nothing reads_closed_early_at_once_leak_nothing
    """,
    "ReadKeepsAConnectionWhenMissing": "read_of_missing_objects_leaks_nothing",
    "ReadTakesAConnectionAtTheCall": "read_closed_before_its_first_step_leaks_nothing",
    "ReadKeepsAConnectionWhenCancelled": "read_cancelled_leaks_nothing",
    "WriteKeepsAConnectionWhenBroken": """
        write_of_broken_streams_leaks_nothing upload_of_broken_streams_leaks_nothing
    """,
    "WriteKeepsAConnectionWhenCancelled": "write_cancelled_leaks_nothing",
    "AppendKeepsAConnectionWhenBroken": "upload_of_broken_streams_leaks_nothing",
    "ScanKeepsAConnectionWhenClosedEarly": "scan_closed_early_leaks_nothing",
    "ScanKeepsAConnectionWhenCancelled": "scan_cancelled_leaks_nothing",
    "CopyIsSeenHalf": "copy_cancelled_leaves_the_target_whole move_cancelled_keeps_the_content",
    "MoveDeletesFirst": "move_cancelled_keeps_the_content",
    "CommitForgetsFirst": "upload_cancelled_commit_keeps_the_content",
    "DeleteStaysLockedWhenCancelled": "delete_cancelled_can_be_repeated",
    "MoveBelowAnObjectIsUnavailable": "move_missing_below_an_object",
    "ScanTakesPrefixForAPattern": "scan_prefix_is_taken_to_the_letter scan_agrees_with_sorting",
    "ScanStopsAfterFivePages": "scan_many_keys",
    "UploadsAreFew": "uploads_at_once upload_many_small_appends",
    "CreateIsExclusiveInOneProcess": """
        create_by_two_processes_has_one_winner write_every_kind_of_key
    """,
    "ReadsAreRememberedInTheProcess": "write_is_seen_by_another_process write_every_kind_of_key",
    "UploadIsHeldInTheProcess": """
        upload_goes_on_in_another_process upload_goes_on_after_a_process_was_killed
        write_every_kind_of_key
    """,
    "AppendReservesItsRoom": "upload_goes_on_after_a_process_was_killed write_every_kind_of_key",
    "WriteHidesItsTemporaryObject": """
        write_of_a_killed_process_leaves_the_old_content
        upload_goes_on_after_a_process_was_killed write_every_kind_of_key
    """,
}
