# サインイン、組織、ワークスペースのページの文言。

actions-label = 操作

audit-action = 操作
audit-actor = 実行者
audit-object = 対象
audit-platform = プラットフォーム
audit-time = 日時

conflict-about = 両方の内容を比べて選択してください。
conflict-apply = 自分の入力を適用する
conflict-field = 項目
conflict-heading = 変更はまだ保存されていません
conflict-keep = 現在の値を残す
conflict-now = 現在
conflict-secrets = kubeconfig などの機密情報は保持されません。もう一度入力してください。
conflict-title = 他の変更が先に保存されました
conflict-yours = あなたの入力

connect-create-token = トークンを作成する
connect-download = kubeconfig をダウンロードする
connect-exec = hexabase コマンド
connect-exec-about = kubectl が hexabase コマンドを実行し、サインインとトークンの更新を行います。ファイルに秘密情報は含まれません。
connect-groups = トークンに含まれるグループ
connect-groups-about = クラスターはこれらのグループに権限を与えます。
connect-kubelogin = kubelogin
connect-kubelogin-about = kubectl が kubelogin (kubectl oidc-login) を実行し、ブラウザーでサインインします。ファイルに秘密情報は含まれません。
connect-no-groups = このワークスペースのグループに所属していません。
connect-tabs = 接続方法
connect-test = 接続を確認するコマンド:
connect-token = 短期トークン
connect-token-about = ファイルには10分間有効なトークンが含まれます。一時的な確認にだけ使ってください。
connect-token-expires = 有効期限:
connect-token-once = トークンはこの画面に一度だけ表示され、保存されません
connect-unavailable = 現在は接続できません

connection-lost = サーバーとの接続が切れました。自動的に再接続します。表示内容は古い可能性があります。

consent-about = { $user } としてサインインしています。{ $client } に次の操作を許可しますか。
consent-allow = 許可する
consent-deny = 拒否する
consent-destination = { $destination } に移動します。
consent-title = アクセスを許可しますか

danger-wrong-name = 入力した名前が一致しません。表示どおりに入力してください

development-about = このサーバーは、パスワードなしで任意のメールアドレスを受け付けます。
development-title = 開発モード

density-comfortable = 標準
density-compact = コンパクト

device-about = { $user } としてサインインしています。コード { $code } のデバイスで動作する { $client } に次の操作を許可しますか。
device-address = 要求元: { $address }
device-code = デバイスに表示されたコード
device-connected = デバイスを接続しました。デバイスに戻ってください。このページは閉じてかまいません。
device-connected-title = デバイスを接続しました
device-continue = 続ける
device-denied = デバイスにはアクセスが許可されていません。このページは閉じてかまいません。
device-denied-title = アクセスを拒否しました
device-title = デバイスを接続する
device-unknown = コードが不明か期限切れ、またはアクセスできないワークスペースのものです
device-warning = 手元のデバイスで自分が始めたサインインである場合だけ続けてください

error-already-exists = この名前はすでに使われています。別の名前を選んでください
error-already-member = すでにメンバーです
error-billing-suspended = ワークスペースは請求のため停止しています
error-csrf = フォームが別のセッションまたはサイトのものです。ページを開き直して入力してください
error-forbidden = この操作を行う権限がありません
error-home = コンソールに移動する
error-last-owner = 組織には少なくとも1人のオーナーが必要です。先に他のメンバーをオーナーにしてください
error-not-found = ページまたはオブジェクトが存在しないか、表示する権限がありません
error-not-in-plan = プランに含まれていません。別のプランを選択してください
error-organization-deleting = 組織は削除中です
error-organization-suspended = 運用者が組織を停止しています
error-payment-overdue = 組織の支払いが期限を過ぎています
error-plan-not-paid-for = これを含むプランを組織が契約していません。プランを選択してください
error-plan-removed = プランは運用者によって削除されました。別のプランを選択してください
error-quota-exceeded = プランまたは環境の上限に達しました。不要なものを削除するか、別のプランを選択してください
error-rate-limited = リクエストが多すぎます。しばらく待ってからやり直してください
error-request-id = リクエスト ID:
error-subscription-active = 組織には有効な契約があります。先に解約してください
error-title = リクエストを処理できませんでした
error-title-forbidden = 権限がありません
error-title-not-found = 見つかりません
error-title-rate-limited = リクエストが多すぎます
error-title-unauthenticated = サインインが必要です
error-title-unavailable = 一時的に利用できません
error-unauthenticated = サインインしていないか、サインインが完了していません
error-unavailable = サーバーの一部が応答しません。しばらくしてからやり直してください
error-unexpected = 内部エラーが発生しました。運用者はリクエスト ID から原因を調べられます
error-workspace-deleting = ワークスペースは削除中です
error-workspace-not-ready = ワークスペースの準備ができていないため、クラスターに接続できません
error-workspace-running = ワークスペースはすでに動作しています
error-workspace-suspended = ワークスペースはすでに停止しています

field-created = 作成日時
field-display-name = 表示名
field-email = メールアドレス
field-endpoint = API サーバー
field-id = ID
field-name = 名前
field-organization = 組織
field-phase = 状態
field-plan = プラン
field-region = リージョン
field-role = ロール
field-updated = 更新日時
field-version = Kubernetes のバージョン

filter-any = すべて
filter-apply = 絞り込む
filter-text = 名前に含まれる文字

footer-api = API ドキュメント

invitation-accept = 招待を受け入れる
invitation-accept-title = 招待を受け入れる
invitation-accepted = { $name } のメンバーになりました。
invitation-accepted-title = 招待を受け入れました
invitation-expired = 期限切れ
invitation-resend = 再送する
invitation-resend-failed = 以前の招待は取り消されましたが、新しい招待は送信されませんでした: { $reason }
invitation-resent = 招待を再送しました。以前のリンクは無効です。
invitation-sign-in = 招待を受け取ったメールアドレスでサインインし、メールのリンクをもう一度開いてください。
invitation-token = 招待メールのコード
invitation-token-hint = コードはメールのリンクの後にあります。招待されたアドレスでのみ使えます。
invitation-token-title = コードを持っている
invitation-until = 有効期限
invitation-withdraw = 取り消す
invitation-withdrawn = 招待を取り消しました。

invitations-none = あなたのアドレスへの招待はありません。
invitations-open = 招待
invitations-pending = { $count } 件の招待があります
invitations-sent = { $count } 件の招待を送信しました。
invitations-show = 招待を表示する
invitations-title = あなたへの招待

invite-emails = メールアドレス
invite-emails-hint = 1つ以上。空白、コンマ、改行で区切ります
invite-emails-many = 一度に指定できるアドレスは { $limit } 件までです
invite-emails-missing = アドレスを入力してください
invite-send = 招待を送信する

managed-about = このオブジェクトはインベントリ { $inventory } が管理しています。ここでの変更は、次回の hexabase apply で元に戻されます。代わりにドキュメントを変更してください。
managed-title = ドキュメントで管理されています

members-invite = メンバーを招待する
members-leave = 組織を離れる
members-left = { $name } を離れました。
members-remove = メンバーを外す
members-remove-groups = 組織のすべてのワークスペースで、すべてのグループから外れます
members-remove-tokens = クラスターへのアクセスは、有効なトークンも含めて終了します
members-removed = { $name } をメンバーから外しました。
members-role-changed = { $name } のロールを変更しました。
members-role-save = ロールを変更する
members-role-title = 組織でのロール
members-since = 参加日時
members-you = （あなた）

nav-activity = アクティビティ
nav-connect = 接続
nav-members = メンバー
nav-overview = 概要
nav-settings = 設定
nav-workspaces = ワークスペース

organization-create = 組織を作成する
organization-created = 組織 { $name } を作成しました。
organization-delete = 組織を削除する
organization-delete-about = 組織とそのすべてのワークスペースを削除します。
organization-delete-members = { $count } 人のメンバーがアクセスできなくなります
organization-delete-service-accounts = { $count } 個のサービスアカウントが削除されます
organization-delete-title = 組織 { $name } を削除する
organization-delete-workspaces = { $count } 個のワークスペースが中身ごと削除されます
organization-deleted = 組織 { $name } を削除しました。
organization-deleting = 組織 { $name } は、ワークスペースの削除が終わり次第削除されます。
organization-display-name-hint = 人が読むための名前。文字の種類は自由です
organization-is-deleted = 組織は削除中です
organization-name-hint = この環境で一意の名前。英小文字、数字、ハイフン。全角文字は変換されます
organization-new-title = 組織の作成
organization-personal = 個人用
organization-suspended = 運用者がこの組織を停止しています

organizations-none = 所属する組織がありません
organizations-purpose = 組織はメンバー、プラン、ワークスペースを持ちます。
organizations-title = 組織

overview-audit = 監査ログ
overview-cost = 今月のこれまでの費用
overview-limits = 上限
overview-members = メンバーと招待
overview-plan = プラン
overview-title = 概要

plan-free = 無料
plan-monthly = 月額 { $price }
plan-per-workspace = { $included } 個を超えるワークスペース1個につき { $price }

preferences-back = コンソールに戻る
preferences-density = 表
preferences-language = 言語
preferences-theme = 配色
preferences-title = 言語と表示
preferences-zone = 時刻
preferences-zone-hint = 監査イベントなどの記録は常に UTC で示します。

reauthentication-about = この操作には10分以内のサインインが必要です。続けるにはもう一度サインインしてください
reauthentication-title = もう一度サインインしてください

refusal-granters = ロールを付与できるメンバー
refusal-leave = 組織の概要へ
refusal-permission = 必要な権限
refusal-right-admin = ロール「ワークスペース管理者」を持つグループ
refusal-right-logs = Pod のログを閲覧できるロールを持つグループ
refusal-right-member = ワークスペースのすべてのグループ
refusal-right-project-admin = ロール「プロジェクト管理者」または「ワークスペース管理者」を持つグループ
refusal-roles = この権限を含むロール

role-admin-about = メンバーとワークスペースを管理します
role-billing-about = 支払いと請求書を管理します
role-member-about = 組織と、所属グループのワークスペースを見られます
role-owner-about = 削除を含むすべての操作を行えます
role-owner-refused = このロールを与えられるのはオーナーだけです

scope-email = メールアドレスの読み取り
scope-groups = グループの所属の読み取り
scope-offline-access = セッションを終了するまでのアクセスの維持
scope-openid = あなたの識別
scope-profile = 名前の読み取り
scope-workspace = あなたの代わりにワークスペース { $workspace } を利用

session-ended = セッションが終了しました。

settings-about = 情報
settings-save = 変更を保存する
settings-saved = 変更を保存しました。
settings-title = 設定

shell-workspace = このワークスペースを読み取る

sign-in-development = このサーバーは開発モードです。誰でも任意のユーザーとしてサインインできます。
sign-in-none = このサーバーにはサインインの方法が設定されていません。
sign-in-sandbox = クラスターはサンドボックスで、ワークロードは動作しません。
sign-in-title = サインイン
sign-in-with = { $provider } で続ける
sign-out = サインアウト
sign-out-title = サインアウトしますか

signed-in-as = { $user } としてサインインしています。
signed-out-about = サインアウトしました。
signed-out-title = サインアウト

step-apply-host = ホストクラスターの準備
step-apply-tenant = アクセスとプロジェクトの設定
step-remove = すべての削除
step-start = コントロールプレーンの起動
step-stop = コントロールプレーンの停止

task-attempts = { $count } 回目の試行
task-create = ワークスペースの作成
task-created = 受付日時
task-delete = ワークスペースの削除
task-failed = 失敗
task-kind = タスク
task-pending = 待機中
task-resume = ワークスペースの再開
task-retried = タスクを再試行します。
task-retry = 再試行する
task-running = 実行中
task-state = 状態
task-succeeded = 成功
task-superseded = 後のタスクに置き換え
task-suspend = ワークスペースの停止
task-update = ワークスペースの変更

tasks-title = タスク

theme-dark = ダーク
theme-light = ライト
theme-system = システムに合わせる

welcome-members = 一緒に働く人をメールアドレスで招待できます。
welcome-members-title = 一緒に使う
welcome-workspace = ワークスペースは専用の Kubernetes クラスターです。約1分で使えるようになります。
welcome-workspace-title = 最初のワークスペースを作成する

workspace-conditions = 状態の詳細
workspace-create = ワークスペースを作成する
workspace-create-refused = 現在はワークスペースを作成できません
workspace-created = ワークスペース { $name } を作成しています。
workspace-delete = ワークスペースを削除する
workspace-delete-about = クラスターとその中のすべてを削除します。
workspace-delete-access = すべてのユーザーと認証情報のアクセスが終了します
workspace-delete-objects = クラスター内のすべてのオブジェクトが削除されます
workspace-delete-projects = { $count } 個のプロジェクトと名前空間が削除されます
workspace-delete-title = ワークスペース { $name } を削除する
workspace-delete-volumes = すべてのボリュームとデータが削除されます
workspace-deleted = ワークスペース { $name } を削除しています。
workspace-drift = { $count } 個の項目が異なっていたため修復しました
workspace-drift-title = 修復した差異
workspace-measured = 測定日時
workspace-name-hint = 組織内で一意の名前。英小文字、数字、ハイフン。全角文字は変換されます
workspace-plan-hint = プランを変えると割り当てと料金が変わります。クラスターには数分で反映されます
workspace-region-hint = 空欄の場合は任意のリージョン
workspace-resume = ワークスペースを再開する
workspace-resume-about = コントロールプレーンとポッドが再び起動します。データはそのままです。
workspace-resuming = ワークスペースを再開しています。
workspace-since = 開始:
workspace-status = { $name }: { $phase }
workspace-suspend = ワークスペースを停止する
workspace-suspend-about = すべてのポッドとコントロールプレーンが停止し、データは保持されます。再開するまで API サーバーは応答しません。
workspace-suspending = ワークスペースを停止しています。
workspace-task = 進行状況
workspace-unmeasured = 使用量はまだ測定されていません。
workspace-updating = 変更をクラスターに適用しています。
workspace-usage = 使用量
workspace-version-hint = アップグレードは次のマイナーバージョンまでで、元に戻せません
workspace-version-newest = プランの最新版
workspace-waiting = 待機中: { $reason }

workspaces-all = すべてのワークスペース
workspaces-none = ワークスペースがありません
workspaces-purpose = ワークスペースは、プロジェクト、グループ、ロールを持つ専用の Kubernetes クラスターです。

zone-browser = ブラウザーのタイムゾーン
zone-utc = UTC
